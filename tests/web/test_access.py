"""Who may call what: every route, from everywhere that matters."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import bcrypt
import pytest
import trustme
from aiohttp.test_utils import TestClient, TestServer

from monitor.store import Event
from monitor.web.access import Access, is_local_host, is_loopback
from monitor.web.app import make_app, table
from monitor.web.limits import Buckets, network
from monitor.web.ports import Caller, Source
from monitor.web.settings import PublicPage, WebSettings
from monitor.web.toolkit import Toolkit
from tests.web.conftest import changed

FAR = "203.0.113.9"
SECRETS = {
    "slp_reader": Caller(name="reader", scopes=frozenset({"read"})),
    "slp_writer": Caller(name="writer", scopes=frozenset({"events"})),
    "slp_keeper": Caller(name="keeper", scopes=frozenset({"manage"})),
}


class Known:
    """Tokens in a dictionary."""

    def find(self, secret: str) -> Caller | None:
        return SECRETS.get(secret)


def from_far(monkeypatch: pytest.MonkeyPatch, address: str = FAR) -> None:
    """Have every connection come from an address, as a socket would say."""
    original = aiohttp.web_protocol.RequestHandler.connection_made

    def connection_made(self: Any, transport: Any) -> None:
        class Far:
            def __getattr__(self, name: str) -> Any:
                return getattr(transport, name)

            def get_extra_info(self, name: str, default: Any = None) -> Any:
                return (address, 40000) if name == "peername" else transport.get_extra_info(name, default)

        original(self, Far())

    monkeypatch.setattr(aiohttp.web_protocol.RequestHandler, "connection_made", connection_made)


@asynccontextmanager
async def asking(source: Source, toolkit: Toolkit | None = None) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_app(source, toolkit))) as client:
        yield client


def paths() -> list[tuple[str, str, Access]]:
    """Every route with its parameters filled in by things that exist."""
    values = {
        "contract": "mailpro", "service": "website", "period": "2026-10", "start": "2026-10-22T03:17:13.926Z",
        "code": "de", "hash": "x", "name": "app.css", "target": "mailpro-api", "location": "main",
        "at": "2026-10-01T00:00:00Z",
    }  # fmt: skip
    return [(route.method, route.path.format(**values), route.access) for route in table(None)]


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def source(shared: Source) -> Source:
    return changed(shared, tokens=Known())


async def status(client: TestClient, method: str, path: str, **headers: str) -> int:
    async with client.request(method, path, headers=headers, allow_redirects=False) as answer:
        if answer.content_type == "text/event-stream":
            return answer.status
        await answer.read()
        return answer.status


async def test_a_stranger_gets_nothing(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials, from another machine, every route answers 401, and so does a path that does not exist."""
    from_far(monkeypatch)
    async with asking(source) as client:
        for method, path, access in paths():
            expected = 404 if access is Access.PUBLIC else 401
            found = await status(client, method, path)
            assert found in (expected, 401), (path, found)
        assert await status(client, "GET", "/no/such/thing") == 401
        assert await status(client, "DELETE", "/api/v1/events") == 401
        async with client.get("/", headers={"Accept": "text/html"}) as answer:
            text = await answer.text()
    for word in ("mailgun", "clicksend", "sparkpost", "mailpro", "main"):
        assert f">{word}" not in text


@pytest.mark.parametrize("mark", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
async def test_a_forwarded_request_is_nobodys(source: Source, mark: str) -> None:
    """What comes through a proxy on this machine did not begin here, whatever it claims."""
    async with asking(source) as client:
        assert await status(client, "GET", "/") == 200
        assert await status(client, "GET", "/", **{mark: "127.0.0.1"}) == 401


async def test_a_header_never_makes_a_stranger_near(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-Forwarded-For: 127.0.0.1 from afar changes nothing."""
    from_far(monkeypatch)
    async with asking(source) as client:
        for header in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP"):
            assert await status(client, "GET", "/api/v1/status", **{header: "127.0.0.1"}) == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9780", "localhost.evil.example", "127.0.0.1.evil.example"]
)
async def test_another_name_for_this_machine_is_refused(source: Source, host: str) -> None:
    """A page of another site whose name was pointed at 127.0.0.1 (DNS rebinding) reads nothing."""
    async with asking(source) as client:
        assert await status(client, "GET", "/api/v1/status", Host=host) == 401
        named = changed(source, settings=lambda: WebSettings(hosts=("evil.example",)))
    async with asking(named) as client:
        expected = 200 if host.split(":")[0] == "evil.example" else 401
        assert await status(client, "GET", "/api/v1/status", Host=host) == expected


async def test_loopback_can_be_closed(source: Source) -> None:
    """Then this machine needs a token as everybody does."""
    closed = changed(source, settings=lambda: WebSettings(loopback="closed"))
    async with asking(closed) as client:
        assert await status(client, "GET", "/") == 401
        assert await status(client, "POST", "/-/reload") == 401
        assert await status(client, "GET", "/", **bearer("slp_reader")) == 200


async def test_a_token_does_what_its_scope_says(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader reads, a writer enters, a keeper reloads; none does another's work."""
    from_far(monkeypatch)

    async def reload() -> str | None:
        return None

    async def enter(event: Event) -> Event:
        return event

    full = changed(source, reload=reload, enter=enter)
    body = {"kind": "report", "data": {"contract": "clicksend", "at": "2026-10-20T00:00:00Z"}}
    expected = {"slp_reader": (200, 403, 403), "slp_writer": (403, 201, 403), "slp_keeper": (403, 403, 200)}
    async with asking(full) as client:
        for secret, (read, entered, reloaded) in expected.items():
            assert await status(client, "GET", "/api/v1/status", **bearer(secret)) == read
            async with client.post("/api/v1/events", json=body, headers=bearer(secret)) as answer:
                assert answer.status == entered
            assert await status(client, "POST", "/-/reload", **bearer(secret)) == reloaded
        assert await status(client, "GET", "/api/v1/status", **bearer("slp_unknown")) == 401


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [
        ("report", {"contract": "clicksnd", "at": "2026-10-20T00:00:00Z"}, "did you mean 'clicksend'?"),
        ("report", {"contract": "clicksend", "at": "2026-10-20T00:00:00Z", "services": ["voice"]},
         "there is no service of clicksend 'voice'"),
        ("ticket", {"contract": "clicksend", "id": "T9", "opened": "2026-10-20T00:00:00Z", "severity": "high"},
         "there is no severity in clicksend 'high'"),
        ("ticket_reached", {"contract": "clicksend", "id": "none", "milestone": "acted", "at": "2026-10-20T00:00:00Z"},
         "there is no ticket of clicksend 'none'"),
    ],
)  # fmt: skip
async def test_what_names_nothing_is_not_entered(source: Source, kind: str, data: dict[str, object], says: str) -> None:
    """By the API as by command: what would touch nothing is refused, with the nearest right name."""

    async def enter(event: Event) -> Event:
        raise AssertionError(event)

    async with asking(changed(source, enter=enter)) as client:
        body = {"kind": kind, "data": data}
        async with client.post("/api/v1/events", json=body, headers=bearer("slp_writer")) as answer:
            assert answer.status == 422
            assert says in (await answer.json())["detail"]


async def test_a_correction_is_corrected_by_its_own_id(source: Source) -> None:
    """It then names the event that both correct; no correction moves an event to another contract."""
    entered: list[Event] = []
    old = next(one for one in source.reader.events(0, 1 << 60) if one.kind == "maintenance")
    first = Event(kind="correction", at=old.at, data={"withdraw": True}, id="C1", corrects=old.id)

    class Reader:
        def event(self, id: str) -> Event | None:
            return {old.id: old, first.id: first}.get(id)

    async def enter(event: Event) -> Event:
        entered.append(event)
        return event

    async with asking(changed(source, enter=enter, reader=Reader())) as client:
        for data, expected in ((dict(old.data), 201), ({**old.data, "contract": "omicron"}, 422)):
            body = {"kind": "correction", "corrects": "C1", "data": data, "why": "it stands after all"}
            async with client.post("/api/v1/events", json=body, headers=bearer("slp_writer")) as answer:
                assert answer.status == expected
    assert [one.corrects for one in entered] == [old.id]


async def test_entering_needs_a_token_even_here(source: Source) -> None:
    """Loopback reads and reloads; it enters nothing."""
    async with asking(source) as client, client.post("/api/v1/events", json={"kind": "report"}) as answer:
        assert answer.status == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]


async def test_another_sites_page_reloads_nothing(source: Source) -> None:
    """A form on another site that posts to 127.0.0.1 is told apart by what the browser says of it."""

    async def reload() -> str | None:
        return None

    async with asking(changed(source, reload=reload)) as client:
        assert await status(client, "POST", "/-/reload") == 200
        assert await status(client, "POST", "/-/reload", Origin="https://evil.example") == 403
        assert await status(client, "POST", "/-/reload", Origin="null") == 403
        assert await status(client, "POST", "/-/reload", **{"Sec-Fetch-Site": "cross-site"}) == 403


async def test_a_public_page_shows_what_was_chosen_and_nothing_else(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One service's state was chosen: no figure, no history, no other service, no other contract."""
    from_far(monkeypatch)
    chosen = PublicPage(services=("website",), show=("state",))
    public = changed(source, settings=lambda: WebSettings(public={"mailpro": chosen}))
    async with asking(public) as client:
        async with client.get("/public/mailpro/status.json") as answer:
            found = await answer.json()
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert set(found) == {"title", "at", "period", "state", "services"}
        assert [set(service) for service in found["services"]] == [{"service", "state", "since"}]
        async with client.get("/public/mailpro") as answer:
            text = await answer.text()
            assert answer.status == 200
        for word in ("99 %", "online_apps", "sms_gateway", "mailgun", "outage", 'class="bar"', "/api/", 'href="/"'):
            assert word not in text, word
        assert await status(client, "GET", "/public/mailgun") == 404
        assert await status(client, "GET", "/public/nobody") == 404
        assert await status(client, "GET", "/public/mailpro/api/badge.svg") == 404
        assert await status(client, "GET", "/public/mailpro/website/badge.svg") == 200
        assert await status(client, "GET", "/") == 401
        style = text.split('rel="stylesheet" href="')[1].split('"')[0]
        assert await status(client, "GET", style) == 200


async def test_a_public_page_may_show_everything_that_was_chosen(source: Source) -> None:
    """Availability, history, outages and maintenance, with the judge's figures."""
    chosen = PublicPage(title="Mail", show=("state", "availability", "history", "outages", "maintenance"))
    public = changed(source, settings=lambda: WebSettings(public={"mailpro": chosen}))
    async with asking(public) as client:
        async with client.get("/public/mailpro/status.json") as answer:
            found = await answer.json()
        service = next(s for s in found["services"] if s["service"] == "api")
        judged = source.judge.evaluate("mailpro").service("api").answer()
        assert service["availability"] == judged["availability"][:8]
        assert service["coverage"] == judged["coverage"][:8]
        assert len(service["days"]) == 90
        assert service["outages"][0]["end"] is None
        async with client.get("/public/mailpro/badge.svg") as answer:
            assert answer.content_type == "image/svg+xml"
            assert "down" in await answer.text()


async def test_basic_auth_is_as_the_exporter_toolkit_has_it(source: Source) -> None:
    """With users, everybody needs a password, loopback too; bcrypt is asked once for a good pair."""
    users = {"ann": bcrypt.hashpw(b"right horse", bcrypt.gensalt(4)).decode()}

    def basic(name: str, password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}

    async with asking(source, Toolkit(users=users)) as client:
        async with client.get("/metrics") as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic")
        assert await status(client, "GET", "/", **basic("ann", "right horse")) == 200
        assert await status(client, "GET", "/", **basic("ann", "right horse")) == 200
        assert await status(client, "GET", "/", **basic("ann", "wrong")) == 401
        assert await status(client, "GET", "/", **basic("bob", "right horse")) == 401
        assert await status(client, "GET", "/", Authorization="Basic ???") == 401
        assert await status(client, "GET", "/", **bearer("slp_reader")) == 200


async def test_wrong_credentials_are_slowed_down(source: Source) -> None:
    """After ten of them the address waits, whoever it says it is."""
    async with asking(source) as client:
        found = [await status(client, "GET", "/", **bearer(f"slp_{n}")) for n in range(14)]
        assert found[0] == 401
        assert found[-1] == 429
        assert await status(client, "GET", "/", **bearer("slp_reader")) == 429
        assert await status(client, "GET", "/") == 200


async def test_a_rate_holds_for_every_address(source: Source) -> None:
    """One a second, five at once; the sixth is told to wait."""
    slow = changed(source, settings=lambda: WebSettings(requests_per_second=1))
    async with asking(slow) as client:
        found = [await status(client, "GET", "/-/healthy") for _ in range(7)]
    assert found[:5] == [200] * 5
    assert found[-1] == 429


def test_a_bucket_fills_with_time_and_forgets() -> None:
    """A /64 of IPv6 is one address; memory is bounded."""
    now = [0.0]
    buckets = Buckets(rate=1, burst=2, limit=3, monotonic=lambda: now[0])
    assert [buckets.take("2001:db8::1"), buckets.take("2001:db8::2"), buckets.take("2001:db8::3")] == [
        True,
        True,
        False,
    ]
    now[0] = 1.0
    assert buckets.take("2001:db8::9")
    for n in range(50):
        buckets.take(f"192.0.2.{n}")
    assert len(buckets._levels) <= 3
    assert network("::ffff:192.0.2.1") == "192.0.2.1"


@pytest.mark.parametrize(
    ("address", "near"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.1", False),
     ("", False), ("::ffff:192.0.2.1", False), ("fe80::1%lo", False)],
)  # fmt: skip
def test_which_addresses_are_this_machines(address: str, near: bool) -> None:
    """Mapped addresses are seen through."""
    assert is_loopback(address) is near


@pytest.mark.parametrize(
    ("header", "near"),
    [("localhost:9780", True), ("127.0.0.1", True), ("[::1]:9780", True), ("LOCALHOST.", True),
     ("slaproof.example", False), (None, False), ("", False), ("[bad", False)],
)  # fmt: skip
def test_which_hosts_are_this_machine(header: str | None, near: bool) -> None:
    """By name or loopback address, with or without a port."""
    assert is_local_host(header, ()) is near


async def test_every_answer_carries_the_headers(source: Source) -> None:
    """No inline script, no other site's anything, no sniffing; for refusals too."""
    async with asking(source, Toolkit(headers={"Strict-Transport-Security": "max-age=1"})) as client:
        for path in ("/", "/nothing", "/api/v1/status", "/-/healthy"):
            async with client.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert "http" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                assert answer.headers["Strict-Transport-Security"] == "max-age=1"


async def test_a_client_certificate_reads(source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Mutual TLS from afar: with a certificate of the authority one reads, without one nothing."""
    from monitor.web.toolkit import read

    authority, strangers = trustme.CA(), trustme.CA()
    for name, issued in (
        ("server", authority.issue_cert("127.0.0.1")),
        ("good", authority.issue_cert("client.example")),
        ("unnamed", authority.issue_cert("another.example")),
        ("bad", strangers.issue_cert("client.example")),
    ):
        issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "web.yml").write_text(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n"
        "  client_auth_type: VerifyClientCertIfGiven\n"
        "  client_ca_file: ca.pem\n  client_allowed_sans: [client.example]\n  min_version: TLS12\n"
        "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]\n"
    )
    toolkit = read(tmp_path / "web.yml")
    from_far(monkeypatch)
    server = TestServer(make_app(source, toolkit), scheme="https")
    await server.start_server(ssl=toolkit.tls)
    try:

        def context(name: str | None) -> ssl.SSLContext:
            made = ssl.create_default_context(cafile=tmp_path / "ca.pem")
            if name is not None:
                made.load_cert_chain(tmp_path / f"{name}.pem")
            return made

        url = f"https://127.0.0.1:{server.port}/api/v1/status"
        async with aiohttp.ClientSession() as session:
            for name, expected in ((None, 401), ("good", 200), ("unnamed", 401)):
                async with session.get(url, ssl=context(name)) as answer:
                    assert answer.status == expected, name
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await session.get(url, ssl=context("bad"))
    finally:
        await server.close()
