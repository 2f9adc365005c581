"""Pages: what a visitor would see."""

from __future__ import annotations

import pytest

from probes._outcome import Outcome
from tests.probes.running import ask
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import http_response

PAGE = b"<html><title>Mail</title><p>Sign&nbsp;in\n  with A&amp;B</html>"


@pytest.mark.parametrize(
    ("wanted", "outcome"),
    [
        ({"contains": "<title>Mail"}, "ok"),
        ({"contains": ["Sign in with A&B", "Mail"]}, "ok"),
        ({"contains": "Sign out"}, "wrong_answer"),
        ({"contains_not": "maintenance"}, "ok"),
        ({"contains_not": "Sign in"}, "wrong_answer"),
        ({"status": [404]}, "wrong_answer"),
        ({"contains": "html", "max_body": "3"}, "local"),
    ],
)
async def test_a_page_holds_its_texts(wanted: dict[str, object], outcome: str) -> None:
    """A text may stand in the source or be read from it, entities and line ends resolved."""
    with Misbehaving("http", instead={0: http_response(PAGE, status="200 OK")}) as server:
        result = await ask("page", url=server.url(), **wanted)
    assert result.outcome == outcome, result


async def test_a_page_follows_redirects() -> None:
    """As a browser does, unless told not to; any status but 200 is not the page."""
    moved = http_response(b"", "Location: /en/", status="301 Moved Permanently")
    with Misbehaving("http", replies={b"GET / ": moved}) as server:
        assert (await ask("page", url=server.url(), contains="state")).outcome == Outcome.OK
        assert (await ask("page", url=server.url(), follow_redirects=False)).outcome == Outcome.WRONG_ANSWER
    with Misbehaving("http", instead={0: http_response(b"", status="204 No Content")}) as server:
        assert (await ask("page", url=server.url())).outcome == Outcome.WRONG_ANSWER
