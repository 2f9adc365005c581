"""docs/api.md, from the table of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor.web.access import Access

if TYPE_CHECKING:
    from monitor.web.apicalls import Call
    from monitor.web.params import Param

HEAD = """# The API

Everything that the pages show, for programs, under `/api/v1`. The OpenAPI 3.1 document is at `/api/v1/openapi.json`.
This page is written by `python -m monitor.web.documents`; a test compares it with what is served.

- Instants are RFC 3339, UTC, with milliseconds. Ranges are half-open: `from` is in, `to` is not.
- A parameter that is not known, not understood or given twice is refused with 400; errors are
  `application/problem+json` (RFC 9457) and say in `detail` what to write instead.
- Ratios are text, cut to 14 decimals and never rounded. Lengths are whole milliseconds.
- Who may call what stands in [routes.md](routes.md). A token is made by `slaproof token create NAME --scope read` and
  sent as `Authorization: Bearer slp_...`; entering an event needs one with the scope `events`, on loopback too.
- One address may ask `web.requests_per_second` times a second on average; then it is answered 429.

```console
$ curl -s '127.0.0.1:9780/api/v1/availability?contract=mailgun&period=2026-10'
$ curl -s '127.0.0.1:9780/api/v1/results?target=mailgun-api&from=2026-10-01T00:00:00Z&format=csv' > results.csv
$ curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' 127.0.0.1:9780/api/v1/events \\
    -d '{"kind": "report", "data": {"contract": "clicksend", "at": "2026-10-14T14:09:30Z"}}'
```

The CSV of `results` has the columns that `slaproof evaluate --results` reads. Pages of `results` follow one another by
`next`; a probe is listed by the time at which it started and appears when it ended, so whoever follows the newest
results asks again from a little before the last one.
"""


def _form(param: Param) -> str:
    """How a parameter is written."""
    match param.kind:
        case "choice":
            return "one of " + ", ".join(f"`{choice}`" for choice in param.choices)
        case "instant":
            return "instant"
        case "integer":
            return f"{param.least} to {param.most}"
        case "flag":
            return "`true` or `false`"
        case "outcomes":
            return "names with commas"
        case "period":
            return "`2026-10`"
        case _:
            return "text"


def document(calls: list[Call]) -> str:
    """The whole page."""
    parts = [HEAD]
    for call in calls:
        parts.append(f"## {call.method} /api/v1{call.path}\n\n{call.summary}.")
        if call.access is Access.ENTER:
            parts.append("Needs a token with the scope `events`.")
        if len(call.formats) > 1:
            parts.append("Answers " + ", ".join(f"`{kind}`" for kind in call.formats) + ".")
        if call.params:
            rows = ["| Parameter | In | Form | Meaning |", "| --- | --- | --- | --- |"]
            for param in call.params:
                form = _form(param)
                default = f"; `{param.default}` by default" if param.default is not None else ""
                rows.append(f"| `{param.name}` | {param.place} | {form} | {param.text}{default} |")
            parts.append("\n".join(rows))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
