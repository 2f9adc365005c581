"""HTTP probes: what is sent, what each answer means, and what is kept of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.utils
import gzip
import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import probes
from probes._about import SOURCE, user_agent
from probes._answer import Answer
from probes._outcome import Failed, Outcome
from probes._resolve import from_hosts
from probes._trace import Trace
from probes._unpack import Unpacked
from probes._url import parse
from probes._web import equal
from tests.probes.running import PROBE_ID, ask, told
from tests.servers import ROOT
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import http_head, http_response

# Of no time: workers that run tests in parallel must find the same tests.
_GZIP = gzip.compress(b"hello", mtime=0)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def serving(answer: bytes) -> Misbehaving:
    return Misbehaving("http", instead={0: answer})


def saying(status: str, *headers: str, body: bytes = b"") -> Misbehaving:
    return serving(http_response(body, *headers, status=status))


# --- what each answer means ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("200 OK", "ok"),
        ("204 No Content", "ok"),
        ("301 Moved Permanently", "wrong_answer"),
        ("400 Bad Request", "rejected"),
        ("401 Unauthorized", "rejected"),
        ("403 Forbidden", "rejected"),
        ("404 Not Found", "rejected"),
        ("407 Proxy Authentication Required", "rejected"),
        ("429 Too Many Requests", "throttled"),
        ("500 Internal Server Error", "server_error"),
        ("502 Bad Gateway", "server_error"),
        ("503 Service Unavailable", "server_error"),
        ("511 Network Authentication Required", "local"),
        ("599 Whatever", "server_error"),
        ("799 Out of range", "wrong_answer"),
    ],
)
async def test_a_status_has_one_meaning(status: str, outcome: str) -> None:
    """5xx is the provider's failure, 4xx a refusal of us, 429 a plea to slow down, any other unexpected."""
    with serving(http_head(None, status=status)) as server:
        result = await ask("http", url=server.url())
    assert result.outcome == outcome, result
    assert result.code == int(status[:3])
    assert outcome == "ok" or status in result.detail


async def test_a_status_that_is_expected_is_good() -> None:
    """`expect: status` decides alone what is good, even among those that else are failures."""
    with saying("503 Service Unavailable") as server:
        assert (await ask("http", url=server.url(), expect={"status": [200, "503"]})).outcome == Outcome.OK
    with saying("200 OK") as server:
        result = await ask("http", url=server.url(), expect={"status": 201})
        assert (result.outcome, result.detail) == (Outcome.WRONG_ANSWER, "HTTP 200 OK, expected 201")


async def test_retry_after_does_not_turn_a_failure_into_throttling() -> None:
    """503 with Retry-After is the service failing; how long it asks us to wait is kept."""
    with saying("503 Service Unavailable", "Retry-After: 120") as server:
        result = await ask("http", url=server.url())
    assert result.outcome == Outcome.SERVER_ERROR
    assert result.facts["retry_after_s"] == 120
    assert result.detail == "HTTP 503 Service Unavailable (Retry-After: 120)"


@pytest.mark.parametrize(
    ("expect", "outcome", "detail"),
    [
        ({"body": "st.te"}, "ok", ""),
        ({"body": "absent"}, "wrong_answer", "nothing in the body matches 'absent'"),
        ({"body_not": "bad"}, "ok", ""),
        ({"body_not": "go+d"}, "wrong_answer", "the body holds 'good', which 'go+d' forbids"),
        ({"json": {"$.state": "good"}}, "ok", ""),
        ({"json": {"$.count": "3", "$.on": "true", "$.none": "null", "$.list[*].a": "x"}}, "ok", ""),
        ({"json": {"$.state": "bad"}}, "wrong_answer", '$.state is "good", expected bad'),
        ({"json": {"$.nothing": "bad"}}, "wrong_answer", "$.nothing is not in the answer"),
        ({"headers": {"content-TYPE": "json$"}}, "ok", ""),
        ({"headers": {"Content-Type": "html"}}, "wrong_answer", "the header Content-Type is 'application/json', ex"),
        ({"headers": {"X-None": "."}}, "wrong_answer", "no header X-None, expected '.'"),
        ({"headers_not": {"X-None": ".", "Content-Type": "html"}}, "ok", ""),
        ({"headers_not": {"Content-Type": "json"}}, "wrong_answer", "the header Content-Type matches 'json'"),
        ({"within": "5s"}, "ok", ""),
        ({"within": "0s"}, "wrong_answer", "answered after"),
    ],
)
async def test_assertions(expect: dict[str, object], outcome: str, detail: str) -> None:
    """A well-formed answer that fails an assertion is wrong_answer, and the detail says which and what was seen."""
    body = json.dumps({"state": "good", "count": 3, "on": True, "none": None, "list": [{"a": "x"}, {"a": "x"}]})
    with serving(http_response(body.encode())) as server:
        result = await ask("http", url=server.url(), expect=expect)
    assert result.outcome == outcome, result
    assert result.detail.startswith(detail)


async def test_a_body_that_is_no_json_fails_the_assertion() -> None:
    """An error page where JSON was expected is a wrong answer, not an exception."""
    for body in (b"<html>", b"[" * 100_000, b"\xff\xfe", b""):
        with serving(http_response(body)) as server:
            result = await ask("http", url=server.url(), expect={"json": {"$.a": "b"}})
        assert (result.outcome, result.detail[:20]) == (Outcome.WRONG_ANSWER, "the body is not JSON"), result


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "rot13", "zlib", "no-such", "utf-8", "utf-16"])
async def test_a_server_may_name_any_charset(charset: str) -> None:
    """What is no charset counts as UTF-8: not all that Python decodes with is, and a server's word breaks no probe."""
    body = '\ufeff{"a": "é"}'.encode("utf-16-le" if charset == "utf-16" else "utf-8")
    with saying("200 OK", f"Content-Type: application/json; charset={charset}", body=body) as server:
        result = await ask("http", url=server.url(), expect={"json": {"$.a": "é"}, "body": "^{"})
    assert result.outcome == Outcome.OK, result


async def test_a_wait_in_digits_of_another_kind_is_no_number() -> None:
    """Python takes ² for a digit too."""
    with saying("503 Busy", "Retry-After: \xb2") as server:
        result = await ask("http", url=server.url())
    assert (result.outcome, "retry_after_s" in result.facts) == (Outcome.SERVER_ERROR, False)


@pytest.mark.parametrize("expect", [{"body": "^(a+)+$"}, {"body_not": "(a|aa)+$"}, {"headers": {"X": "(a|a?)+$"}}])
async def test_an_expression_that_never_ends_is_ours(expect: dict[str, object]) -> None:
    """Its search is broken off: one answer must not stop the watching of all others, nor count as a failure."""
    body = b"a" * 60 + b"!"
    with saying("200 OK", f"X: {body.decode()}", body=body) as server:
        results = await asyncio.gather(
            ask("http", url=server.url(), expect=expect), ask("http", url=server.url(), expect={"body": "a{60}!"})
        )
    assert [result.outcome for result in results] == [Outcome.LOCAL, Outcome.OK]
    assert "takes too long to search for" in results[0].detail


def test_json_values_are_compared_by_meaning() -> None:
    """Configuration is text: 3 is the number, true the boolean, and a text is itself."""
    assert equal(3, "3")
    assert equal(3.0, "3")
    assert equal("3", "3")
    assert equal([1, 2], "[1, 2]")
    assert not equal(True, "1")
    assert not equal(1, "true")
    assert not equal(3, "three")
    assert not equal(None, "")


@pytest.mark.parametrize(
    ("answer", "outcome", "words"),
    [
        (b"220 mail.example ESMTP\r\n", "protocol", "not HTTP/1"),
        (b"\0\0\x12\x04\0\0\0\0\0", "protocol", "not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n", "protocol", "not proper HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "protocol", "not proper HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
            "protocol",
            "not proper HTTP",
        ),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "protocol", "longer than 64 KiB"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 30, "protocol", "interim"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "reset", "closed after 5 bytes"),
        (CHUNKED + b"5\r\nhello\r\n", "reset", "closed after 5 bytes"),
        (b"HTTP/1.1 200 OK\r\nConte", "reset", "a part of its head"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nhello", "protocol", "damaged"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + _GZIP[:-9], "protocol", "too early"),
    ],
)
async def test_an_answer_that_is_not_whole_http(answer: bytes, outcome: str, words: str) -> None:
    """Not HTTP, or broken HTTP, is protocol; HTTP that stops in the middle is a lost connection."""
    with serving(answer) as server:
        result = await ask("http", url=server.url())
    assert result.outcome == outcome, result
    assert words in result.detail
    assert server.connections == 1


async def test_one_attempt_on_one_connection() -> None:
    """A connection lost before the answer is a failure at once: nothing is sent a second time."""
    with Misbehaving("http", "close") as server:
        result = await ask("http", url=server.url())
    assert (result.outcome, server.connections, len(server.requests)) == (Outcome.RESET, 1, 1)


# --- what is sent -------------------------------------------------------------------------------------------------


async def test_the_request_is_as_asked_and_bears_the_probe() -> None:
    """Method, query, headers and body arrive as configured; User-Agent names the probe."""
    with Misbehaving("http") as server:
        await ask("http", url=server.url("/a?b=c%20d"), method="PUT", body="höllo", headers={"X-One": "1"})
        request = server.requests[0]
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "PUT /a?b=c%20d HTTP/1.1"
    assert lines[1] == f"Host: localhost:{server.port}"
    assert f"User-Agent: slaproof/{SOURCE} (probe {PROBE_ID})" in lines
    assert "X-One: 1" in lines
    assert "Connection: close" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert body.decode() == "höllo"


@pytest.mark.parametrize(
    ("sent", "kind", "body"),
    [
        ({"json": {"a": "b"}}, "application/json", b'{"a":"b"}'),
        ({"json": '{"a": 3}'}, "application/json", b'{"a": 3}'),
        ({"form": {"a": "b c", "d": "&"}}, "application/x-www-form-urlencoded", b"a=b+c&d=%26"),
        ({"body": "x", "headers": {"content-type": "text/csv"}}, "text/csv", b"x"),
    ],
)
async def test_bodies(sent: dict[str, object], kind: str, body: bytes) -> None:
    """A body, JSON or a form is POSTed with its content type, unless headers say otherwise."""
    with Misbehaving("http") as server:
        result = await ask("http", url=server.url(), **sent)
    assert result.outcome == Outcome.OK
    assert server.requests[0].startswith(b"POST / ")
    assert server.requests[0].endswith(b"\r\n\r\n" + body)
    assert re.findall(rb"(?im)^content-type: (.*)\r$", server.requests[0]) == [kind.encode()]


async def test_credentials_are_sent_and_hidden() -> None:
    """Basic and Bearer credentials go out in Authorization and stand in no transcript."""
    with Misbehaving("http") as server:
        basic = await ask("http", url=server.url(), auth={"username": "me", "password": "pa:ss"}, secrets=("pa:ss",))
        bearer = await ask("http", url=server.url(), auth={"token": "tok-123"}, secrets=("tok-123",))
    coded = base64.b64encode(b"me:pa:ss").decode()
    assert f"Authorization: Basic {coded}".encode() in server.requests[0]
    assert b"Authorization: Bearer tok-123" in server.requests[1]
    assert coded not in told(basic)
    assert "Authorization: [redacted]" in told(basic)
    assert "tok-123" not in told(bearer)


async def test_head_and_answers_without_a_body() -> None:
    """HEAD, 204 and 304 have no body whatever their headers say."""
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n") as server:
        assert (await ask("http", url=server.url(), method="HEAD")).outcome == Outcome.OK
    for status in (b"204 No Content", b"304 Not Modified"):
        with serving(b"HTTP/1.1 " + status + b"\r\nContent-Length: 500\r\n\r\n") as server:
            result = await ask("http", url=server.url(), expect={"status": [204, 304]})
            assert result.outcome == Outcome.OK, result


# --- what is kept -------------------------------------------------------------------------------------------------


async def test_what_a_probe_keeps() -> None:
    """Phases as blackbox_exporter names them, peer, code, request ids, the clock's offset, transcript."""
    began = time.time()
    date = email.utils.formatdate(began - 600, usegmt=True)
    with saying("200 OK", f"Date: {date}", "X-Request-Id: abc-1", "CF-Ray: 77", body=b"hello") as server:
        result = await ask("http", url=f"http://127.0.0.1:{server.port}/")
    assert [phase.name for phase in result.phases] == ["connect", "processing", "transfer"]
    assert result.peer == f"127.0.0.1:{server.port}"
    assert result.ids == {"x-request-id": "abc-1", "cf-ray": "77"}
    assert isinstance(result.facts["clock_offset_ms"], int)
    passed_ms = (time.time() - began) * 1000
    assert -500 <= result.facts["clock_offset_ms"] - 600_000 <= 500 + passed_ms + 1  # Date has whole seconds
    assert told(result).startswith("> GET / HTTP/1.1\nHost:")
    assert told(result).endswith("< hello")


async def test_what_is_kept_is_bounded() -> None:
    """An address of a server's own making may be long; what is kept of it is not."""
    with Misbehaving("http", replies={b"GET /a": _moved("/b?" + "c" * 40_000)}) as server:
        result = await ask("http", url=server.url("/a"), follow_redirects=True)
    assert result.outcome == Outcome.OK, result
    assert len(str(result.facts["final_url"])) == 500
    assert sum(len(line.text) for line in result.transcript) < 20_000


async def test_tls_facts_and_phases(ca_file: Path) -> None:
    """Over TLS the handshake is a phase, and version and certificate are known."""
    with Misbehaving("http", tls=True) as server:
        result = await ask("http", url=server.url(), ca=str(ca_file))
    assert result.outcome == Outcome.OK, result
    assert [phase.name for phase in result.phases] == ["resolve", "connect", "tls", "processing", "transfer"]
    assert result.tls is not None
    assert result.tls.version == "TLSv1.3"
    assert result.tls.not_after is not None


def test_a_machine_without_a_table_of_hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some containers have none: then the resolver alone is asked."""
    monkeypatch.setattr("probes._resolve._HOSTS", tmp_path / "hosts")
    assert from_hosts("api.example") == ()
    (tmp_path / "hosts").write_text("192.0.2.7 api.example\n")
    assert from_hosts("API.example.") == ("192.0.2.7",)


async def test_an_address_of_the_family_that_is_not_wanted() -> None:
    """An IPv4 address asked for over IPv6 only is a mistake of the configuration, held against nobody."""
    result = await ask("http", url="http://127.0.0.1:9/", ip="6")
    assert result.outcome == Outcome.LOCAL
    assert "not an IPv6 address" in result.detail


# --- compression and bounds ---------------------------------------------------------------------------------------


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])),
        ("deflate", zlib.compress),
        ("deflate", _raw_deflate),
        ("identity", bytes),
    ],
)
async def test_packed_bodies_are_read(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """gzip (several members too) and both kinds of deflate are unpacked, however they are cut into pieces."""
    body = pack(b"the state is good")
    with saying("200 OK", f"Content-Encoding: {encoding}", body=body) as server:
        result = await ask("http", url=server.url(), expect={"body": "^the state is good$"})
        assert result.outcome == Outcome.OK, result
    unpacked = Unpacked("" if encoding == "identity" else encoding, 1000)
    for byte in body:
        unpacked.add(bytes([byte]))
    unpacked.end()
    assert bytes(unpacked.data) == b"the state is good"


async def test_an_unknown_encoding_matters_only_to_assertions() -> None:
    """A body that we cannot unpack is good enough where nothing is said of it."""
    with saying("200 OK", "Content-Encoding: br", body=b"\x0b\x02\x80hi\x03") as server:
        assert (await ask("http", url=server.url())).outcome == Outcome.OK
        assert (await ask("http", url=server.url(), expect={"body": "hi"})).outcome == Outcome.WRONG_ANSWER


async def test_a_long_body_is_judged_by_its_beginning() -> None:
    """What lies beyond max_body is never held against the provider: we did not look."""
    body = b"begin" + b"." * 100_000 + b"end"
    with serving(http_response(body)) as server:
        url = server.url()
        assert (await ask("http", url=url, max_body=1000)).outcome == Outcome.OK
        assert (await ask("http", url=url, max_body=1000, expect={"body": "begin"})).outcome == Outcome.OK
        assert (await ask("http", url=url, max_body=1000, expect={"body": "end$"})).outcome == Outcome.LOCAL
        assert (await ask("http", url=url, max_body=1000, expect={"json": {"$.a": "b"}})).outcome == Outcome.LOCAL
        assert (await ask("http", url=url, expect={"body": "end$"})).outcome == Outcome.OK


# --- redirects ----------------------------------------------------------------------------------------------------


def _moved(where: str, status: str = "302 Found") -> bytes:
    return http_response(b"", f"Location: {where}", status=status)


async def test_redirects_are_followed_only_if_asked() -> None:
    """Each hop is a connection of its own and stands in the transcript."""
    with Misbehaving("http", replies={b"GET /a": _moved("/b"), b"GET /b": _moved("//localhost/c")}) as server:
        plain = await ask("http", url=server.url("/a"))
        assert (plain.outcome, plain.code) == (Outcome.WRONG_ANSWER, 302)
    with Misbehaving("http", replies={b"GET /a": _moved("/b"), b"GET /b": _moved("c?d")}) as server:
        followed = await ask("http", url=server.url("/a"), follow_redirects=True)
    assert followed.outcome == Outcome.OK, followed
    assert followed.facts["redirects"] == 2
    assert followed.facts["final_url"] == server.url("/c?d")
    assert f"* redirect 1 to {server.url('/b')}" in told(followed)
    assert server.connections == 3


@pytest.mark.parametrize(
    ("where", "words"),
    [("/a", "in a circle"), ("ftp://localhost/", "nowhere"), ("http://[", "nowhere")],
)
async def test_redirects_that_lead_nowhere(where: str, words: str) -> None:
    """A circle or a redirect out of the web is a wrong answer of the provider."""
    with Misbehaving("http", replies={b"GET /a": _moved(where)}) as server:
        result = await ask("http", url=server.url("/a"), follow_redirects=True)
    assert result.outcome == Outcome.WRONG_ANSWER
    assert words in result.detail


@pytest.mark.parametrize(
    ("location", "asked"), [("/Übersicht", "/%C3%9Cbersicht"), ("/a b?c=%20d ", "/a%20b?c=%20d"), ("/%e4", "/%e4")]
)
async def test_a_redirect_to_a_name_as_it_is_written(location: str, asked: str) -> None:
    """Servers send the bytes of a name unencoded, and every browser encodes those same bytes."""
    moved = _moved("-").replace(b"Location: -", f"Location: {location}".encode())
    with Misbehaving("http", replies={b"GET /a": moved, f"GET {asked} ".encode(): http_response(b"there")}) as server:
        result = await ask("page", url=server.url("/a"), contains="there")
    assert result.outcome == Outcome.OK, result
    assert result.facts["final_url"] == server.url(asked)


async def test_too_many_redirects() -> None:
    """The eleventh redirect is one too many."""
    replies = {f"GET /{n} ".encode(): _moved(f"/{n + 1}") for n in range(20)}
    with Misbehaving("http", replies=replies) as server:
        result = await ask("http", url=server.url("/0"), follow_redirects=True)
    assert (result.outcome, result.detail) == (Outcome.WRONG_ANSWER, "more than 10 redirects")
    assert server.connections == 11


async def test_a_redirect_elsewhere_takes_no_credentials_along() -> None:
    """Authorization stays with the origin it was meant for; a POST becomes a GET unless 307 or 308 say otherwise."""
    with (
        Misbehaving("http") as other,
        Misbehaving("http", instead={0: _moved(other.url("/x"))}) as server,
    ):
        result = await ask("http", url=server.url(), body="b", auth={"token": "t"}, follow_redirects=True)
        assert result.outcome == Outcome.OK
        assert b"Authorization" in server.requests[0]
        assert b"Authorization" not in other.requests[0]
        assert other.requests[0].startswith(b"GET /x ")
        assert b"Content-" not in other.requests[0]
    with (
        Misbehaving("http") as other,
        Misbehaving("http", instead={0: _moved(other.url("/x"), "307 Temporary Redirect")}) as server,
    ):
        await ask("http", url=server.url(), body="b", follow_redirects=True)
        assert other.requests[0].startswith(b"POST /x ")
        assert other.requests[0].endswith(b"\r\n\r\nb")


# --- a proxy of ours ----------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def a_proxy(answer: bytes | None = None, *, mute: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A proxy that connects to where it is asked, or answers this."""
    heads: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heads.append(head)
        if mute:
            await reader.read()
        elif answer is not None:
            writer.write(answer)
        elif head.startswith(b"CONNECT "):
            host, _, port = head.split()[1].decode().rpartition(":")
            there, back = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await asyncio.gather(pump(reader, back), pump(there, writer))
        else:
            found = re.match(rb"\w+ http://([^:]+):(\d+)", head)
            assert found is not None
            there, back = await asyncio.open_connection(found[1].decode(), int(found[2]))
            back.write(head)
            await pump(there, writer)
            back.close()
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)


async def test_through_a_proxy(ca_file: Path) -> None:
    """With `proxy` plain requests and tunnels for TLS go through it, with its own credentials."""
    async with a_proxy() as (port, heads):
        with Misbehaving("http") as server:
            result = await ask("http", url=server.url("/x"), proxy=f"http://me:pw%21@127.0.0.1:{port}")
        assert result.outcome == Outcome.OK, result
        assert heads[0].startswith(f"GET {server.url('/x')} HTTP/1.1".encode())
        assert base64.b64encode(b"me:pw!") in heads[0]
        assert base64.b64encode(b"me:pw!").decode() not in told(result)
        with Misbehaving("http", tls=True) as server:
            result = await ask("http", url=server.url("/x"), proxy=f"127.0.0.1:{port}", ca=str(ca_file))
        assert result.outcome == Outcome.OK, result
        assert heads[1].startswith(f"CONNECT localhost:{server.port} HTTP/1.1".encode())
        with Misbehaving("http", "cert_expired", tls=True) as server:
            result = await ask("http", url=server.url("/x"), proxy=f"127.0.0.1:{port}", ca=str(ca_file))
        assert result.outcome == Outcome.TLS, result


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Who are you\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"nonsense",
        b"",
        None,
    ],
)
async def test_what_a_proxy_does_wrong_is_ours(scheme: str, answer: bytes | None) -> None:
    """Refusal, failure, nonsense and silence of a proxy are never booked on the provider."""
    async with a_proxy(answer, mute=answer is None) as (port, _):
        result = await ask("http", 0.4, url=f"{scheme}://service.example/", proxy=f"http://127.0.0.1:{port}")
    assert result.outcome == Outcome.LOCAL, result
    assert "proxy" in result.detail


async def test_a_proxy_that_is_not_there_is_ours() -> None:
    """A refused connection to the proxy says nothing about the service."""
    with Misbehaving("http", "refuse") as server:
        result = await ask("http", url="http://service.example/", proxy=f"http://127.0.0.1:{server.port}")
    assert result.outcome == Outcome.LOCAL
    assert "the proxy cannot be reached: connection refused" in result.detail


# --- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://example"}, "is not a web address"),
        ({"url": "https://user:pw@example"}, "write them under auth"),
        ({"url": "https://example:99999"}, "is not a URL"),
        ({"url": "http://a", "headers": {"a b": "c"}}, "is not the name of a header"),
        ({"url": "http://a", "headers": {"a": "c\r\nd: e"}}, "line ends"),
        ({"url": "http://a", "auth": {"username": "u"}}, "either username and password, or token"),
        ({"url": "http://a", "body": "x", "json": "{}"}, "only one of body, json and form"),
        ({"url": "http://a", "json": "{"}, "this is not JSON"),
        ({"url": "http://a", "proxy": "socks5://x"}, "not an HTTP proxy"),
        ({"url": "http://a", "expect": {"json": {"$[": "x"}}}, "is not a JSONPath"),
        ({"url": "http://a", "expect": {"body": "("}}, "is not a regular expression"),
        ({"url": "http://a", "expct": {}}, "Extra inputs"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, object], words: str) -> None:
    """What cannot work is refused when the configuration is read, in words that say what to write instead."""
    with pytest.raises(ValidationError, match=words):
        probes.load("http").Target.model_validate(settings)


def test_urls_are_taken_apart() -> None:
    """Ports, IPv6 literals, names beyond ASCII and odd paths go on the wire as they should."""
    assert parse("HTTPS://Example.COM").authority == "example.com"
    assert parse("https://[::1]:8443/a#frag") == ("https", "::1", 8443, "/a", "[::1]:8443")
    assert parse("http://bücher.example:80/ä?ö")[1:] == (
        "xn--bcher-kva.example",
        80,
        "/%C3%A4?%C3%B6",
        "xn--bcher-kva.example",
    )


def test_the_version_is_that_of_the_package() -> None:
    """User-Agent bears the version of pyproject.toml."""
    assert f'version = "{SOURCE}"' in (ROOT / "pyproject.toml").read_text()
    assert user_agent("x").startswith("slaproof/")


# --- the short way and h11 ----------------------------------------------------------------------------------------

_names = st.sampled_from(
    ["Content-Length", "Transfer-Encoding", "Connection", "X-A", "content-type", "Content-Encoding"]
)
_values = st.sampled_from(
    ["5", "05", "+5", " 5 ", "chunked", "close", "", "a b", "\xe4", "5, 5", "identity", "a\tb", "\x01"]
)
_heads = st.lists(st.tuples(_names, _values, st.sampled_from([":", ": ", " :", ":\t"])), max_size=5)


@settings(max_examples=600, deadline=None)
@given(
    start=st.sampled_from(["HTTP/1.1 200 OK", "HTTP/1.0 404 ", "HTTP/1.1 204 x", "HTTP/1.1 200", "HTTP/2.0 200 OK"]),
    head=_heads,
    body=st.sampled_from([b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"hello!", b"hell"]),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
)
def test_the_short_way_reads_what_h11_reads(
    start: str, head: list[tuple[str, str, str]], body: bytes, method: str
) -> None:
    """Where the short way takes an answer, h11 reads the same: status, reason, headers and body."""
    lines = "".join(f"{name}{colon}{value}\r\n" for name, value, colon in head)
    wire = f"{start}\r\n{lines}\r\n".encode("latin-1") + body

    async def read(short: bool) -> object:
        trace = Trace(timeout_s=1, probe_id="x", now_ms=0)
        answer = Answer(trace, method, 1000)
        try:
            whole = answer.at_once(wire) if short else answer.feed(wire)
            if not whole:
                answer.feed(b"")
            return answer.response("http://x/")
        except Failed as error:
            return error.outcome, error.detail

    assert asyncio.run(read(True)) == asyncio.run(read(False))
