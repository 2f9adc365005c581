"""The table of routes says what is served, and who may call it."""

from __future__ import annotations

from pathlib import Path

from monitor.web import apidoc
from monitor.web.api import Api
from monitor.web.app import table
from monitor.web.documents import document

API = Path(__file__).parents[2] / "docs" / "api.md"
PAGE = Path(__file__).parents[2] / "docs" / "routes.md"


def test_the_page_of_routes_is_current() -> None:
    """docs/routes.md is what the table says."""
    assert PAGE.read_text(encoding="utf-8") == document(table(None)), "run: python -m monitor.web.documents"


def test_the_page_of_the_api_is_current() -> None:
    """docs/api.md is what the table of calls says."""
    written = apidoc.document(Api(None).calls())  # type: ignore[arg-type]
    assert API.read_text(encoding="utf-8") == written, "run: python -m monitor.web.documents"
