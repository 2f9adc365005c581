"""Statements are listed, handed out, and verified in the page."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from monitor import verifier
from monitor.web.app import make_app
from monitor.web.ports import Proof, Source
from tests.web.conftest import changed
from tests.web.month import NOW

BODIES = {("mailgun", 1, "en"): b"%PDF one", ("mailgun", 2, "en"): b"%PDF two", ("mailgun", 2, "de"): b"%PDF zwei"}


class Made:
    """Three statements, and a fourth whose file is gone."""

    def __init__(self, folder: Path) -> None:
        self._all = []
        for (contract, revision, language), body in BODIES.items():
            path = folder / f"{contract}-{revision}-{language}.pdf"
            path.write_bytes(body)
            self._all.append(self._proof(contract, revision, language, path, body))
        self._all.append(self._proof("clicksend", 1, "en", folder / "gone.pdf", b""))

    def _proof(self, contract: str, revision: int, language: str, path: Path, body: bytes) -> Proof:
        return Proof(
            contract=contract, period="2026-09", revision=revision, made_at=NOW, size=len(body), language=language,
            path=path, sha256=hashlib.sha256(body).hexdigest(), note="an event was corrected" if revision == 2 else "",
        )  # fmt: skip

    def all(self) -> list[Proof]:
        return self._all


@pytest.fixture
def source(shared: Source, tmp_path: Path) -> Source:
    return changed(shared, proofs=Made(tmp_path), verifier=verifier.page)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({}, b"%PDF two"),
        ({"language": "de"}, b"%PDF zwei"),
        ({"revision": "1"}, b"%PDF one"),
    ],
)
async def test_a_statement_is_handed_out(source: Source, query: dict[str, str], body: bytes) -> None:
    """The newest revision, in English where there are several languages, or the one asked for."""
    async with TestClient(TestServer(make_app(source))) as client:
        async with client.get("/api/v1/proofs/2026-09/mailgun.pdf", params=query) as answer:
            assert answer.status == 200
            assert answer.content_type == "application/pdf"
            assert await answer.read() == body
        async with client.get("/api/v1/proofs/2026-09/clicksend.pdf") as answer:
            assert answer.status == 410
        async with client.get("/api/v1/proofs/2026-08/mailgun.pdf") as answer:
            assert answer.status == 404


async def test_the_page_lists_them_and_verifies(source: Source) -> None:
    """Each with its hash; the verifier runs its own script and nothing else."""
    async with TestClient(TestServer(make_app(source))) as client:
        async with client.get("/api/v1/proofs") as answer:
            items = (await answer.json())["items"]
        assert [(i["contract"], i["revision"], i["language"]) for i in items[:3]] == list(BODIES)
        for item in items[:3]:
            async with client.get(item["url"]) as answer:
                assert hashlib.sha256(await answer.read()).hexdigest() == item["sha256"]
        async with client.get("/proofs") as answer:
            text = await answer.text()
        assert items[0]["sha256"] in text
        assert "an event was corrected" in text
        async with client.get("/verifier") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.status == 200
        assert "script-src 'sha256-" in policy
        assert "unsafe" not in policy
        assert "connect-src" not in policy
