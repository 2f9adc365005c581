"""The classification as a document: ``python -m probes._classification > docs/classification.md``.

Nothing is written by hand there: the document is these tables, and a test holds it current.
"""

import sys
from collections.abc import Iterable
from itertools import groupby

from probes._classify import TABLE
from probes._outcome import FAULTS, Outcome
from probes._smpp_status import NAMES, judge
from probes._smtp_replies import REPLIES
from probes.grpc import CODES

_TITLES = {
    "net": "Every protocol: names, connections, our own machine",
    "tls": "TLS",
    "http": "HTTP (kinds http, page, sms, steps; the way out of delivery)",
    "sms": "SMS gateways over HTTP",
    "steps": "Sequences of requests",
    "dns": "DNS",
    "icmp": "Echo",
    "grpc": "gRPC",
    "tcp": "TCP",
    "smtp": "SMTP",
    "smpp": "SMPP",
    "delivery": "Delivery from end to end",
    "mailauth": "What authenticates mail",
    "blocklist": "Blocklists",
}
_HEAD = """# Classification: what happened, and whose fault it is

This page is generated from the tables that the probes themselves use
(`python -m probes._classification > docs/classification.md`). A probe never names an outcome: it names a line of these
tables, and the line names the outcome. Whose fault an outcome is follows from the outcome alone.

1. What the remote did while it was reachable is the provider's, unless it told us that we are at fault.
2. A refusal of us (credentials, account, recipient, rate) is the customer's.
3. No route is the network's. Whatever stops us before a packet leaves is the monitor's.
4. In doubt between the provider and ourselves the line says ourselves: a statement must survive the other side.

A status that the configuration expects is good whatever this page says of it. Every failed probe keeps its
transcript, the addresses tried, the resolvers' answers and the certificates seen, so that the line can be checked.
"""


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").strip() for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def markdown() -> str:
    """The whole document."""
    parts = [_HEAD, "## Outcomes\n", _table(("outcome", "fault"), ((_code(o), FAULTS[o].value) for o in Outcome))]
    order = list(_TITLES)
    rows = sorted(TABLE, key=lambda row: order.index(row.protocol))
    for protocol, group in groupby(rows, key=lambda row: row.protocol):
        parts.append(f"\n## {_TITLES[protocol]}\n")
        heads = ("phase", "what happened", "outcome", "fault", "advice")
        parts.append(_table(heads, ((r.phase, r.means, _code(r.outcome), FAULTS[r.outcome], r.advice) for r in group)))
        parts.extend(_MORE.get(protocol, list)())
    return "\n".join(parts) + "\n"


def _outcome(protocol: str, phase: str, happened: str) -> str:
    from probes._classify import row

    return _code(row(protocol, phase, happened).outcome)


def _smtp() -> list[str]:
    rows = (
        (r.phases, _code(r.code), _code(r.status), _code(r.words), r.why, _smtp_outcome(r.phases, r.happened))
        for r in REPLIES
    )
    heads = ("phases", "code", "enhanced status", "words", "because", "outcome")
    return ["\nReplies; the first line that fits decides:\n", _table(heads, rows)]


def _smtp_outcome(phases: str, happened: str) -> str:
    return _outcome("smtp", phases.split()[0].replace("*", "any"), happened)


def _smpp() -> list[str]:
    rows = (
        (f"0x{status:03X}", name, *(_outcome("smpp", phase, judge(phase, status)) for phase in ("bind", "submit")))
        for status, name in NAMES.items()
        if status
    )
    return ["\nThe command_status of an answer:\n", _table(("status", "name", "to bind", "to submit"), rows)]


def _grpc() -> list[str]:
    rows = ((str(code), name, _outcome("grpc", "status", row)) for code, (name, row) in CODES.items())
    return ["\nThe status of a call:\n", _table(("status", "name", "outcome"), rows)]


_MORE = {"smtp": _smtp, "smpp": _smpp, "grpc": _grpc}

if __name__ == "__main__":
    sys.stdout.write(markdown())
