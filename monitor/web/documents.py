"""docs/routes.md and docs/api.md, from the tables that the application is made of.

Run ``python -m monitor.web.documents``.
"""

from __future__ import annotations

from pathlib import Path

from monitor.web import apidoc
from monitor.web.access import Access
from monitor.web.api import Api
from monitor.web.app import table
from monitor.web.routes import Route

WHO = {
    Access.PUBLIC: "anyone; shows only what `web.public` names",
    Access.ASSETS: "anyone where a public page exists, else as `read`",
    Access.READ: "loopback; elsewhere a token with `read`, a client certificate, a user of basic auth",
    Access.ENTER: "a token with `events`, always",
    Access.MANAGE: "loopback; elsewhere a token with `manage`",
}
"""What each access means, as docs/routes.md says it."""


def document(routes: list[Route]) -> str:
    """docs/routes.md."""
    lines = [
        "# Routes",
        "",
        "Every route that slaproof serves, and who may call it. This page is written by"
        " `python -m monitor.web.documents`; a test compares it with what is served.",
        "",
        "Loopback means that the peer's address is 127.0.0.0/8 or ::1, that the `Host` header names this machine"
        " (`localhost`, a loopback address, or a name in `web.hosts`), and that no proxy left its mark (`Forwarded`,"
        " `X-Forwarded-For` and the like, `X-Real-IP`, `Via`). Such headers only take rights away; what they say is"
        " never believed. With `web.loopback: closed`, or with `basic_auth_users` in the `web.config_file`, loopback is"
        " as elsewhere. Whoever may not read is answered 401 for every path but the public ones.",
        "",
        "| Method | Path | Who may call it | What it answers |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {r.method} | `{r.path}` | {WHO[r.access]} | {r.summary} |" for r in routes]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write docs/routes.md and docs/api.md."""
    Path("docs/routes.md").write_text(document(table(None)), encoding="utf-8")
    Path("docs/api.md").write_text(apidoc.document(Api(None).calls()), encoding="utf-8")  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
