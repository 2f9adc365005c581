"""gRPC health: what each status means."""

from __future__ import annotations

from pathlib import Path

import h2.events
import pytest

from probes._outcome import Outcome
from probes.grpc import CODES, _request
from tests.probes.running import ask, shown, told
from tests.servers.misbehaving import Misbehaving
from tests.servers.protocols import Grpc


def health(
    http: str = "200", grpc: str | None = "0", message: bytes = b"\0\0\0\0\x02\x08\x01", said: str = ""
) -> type[Grpc]:
    """A server whose health check answers this."""

    class Answer(Grpc):
        def answer(self, request: bytes) -> bytes:
            for event in self._h2.receive_data(request):
                if isinstance(event, h2.events.StreamEnded):
                    self._h2.send_headers(event.stream_id, [(":status", http), ("content-type", "application/grpc")])
                    self._h2.send_data(event.stream_id, message, end_stream=grpc is None)
                    if grpc is not None:
                        trailers = [("grpc-status", grpc), ("grpc-message", said), ("x-request-id", "r-1")]
                        self._h2.send_headers(event.stream_id, trailers, end_stream=True)
            return self._h2.data_to_send()

    return Answer


async def test_a_serving_server() -> None:
    """SERVING is good; the request names the probe and its service."""
    with Misbehaving("grpc") as server:
        result = await ask("grpc", host="localhost", port=server.port, metadata={"Authorization": "Bearer x"})
    assert result.outcome == Outcome.OK, shown(result)
    assert result.facts["serving"] == "SERVING"
    assert "user-agent: slaproof/" in told(result)
    assert "Bearer x" not in told(result)
    assert [phase.name for phase in result.phases] == ["resolve", "connect", "processing"]


async def test_over_tls(ca_file: Path) -> None:
    """With TLS the certificate is verified as everywhere."""
    with Misbehaving("grpc", tls=True) as server:
        result = await ask("grpc", host="localhost", port=server.port, tls=True, ca=str(ca_file))
        assert result.outcome == Outcome.OK, shown(result)
        assert (await ask("grpc", host="localhost", port=server.port, tls=True)).outcome == Outcome.TLS


@pytest.mark.parametrize(
    ("serving", "outcome"), [(b"", "server_error"), (b"\x08\x02", "server_error"), (b"\x08\x03", "server_error")]
)
async def test_other_states_of_health(serving: bytes, outcome: str) -> None:
    """Whatever is not SERVING is the service saying that it fails."""
    with Misbehaving(health(message=b"\0\0\0\0" + bytes([len(serving)]) + serving)) as server:
        assert (await ask("grpc", host="localhost", port=server.port)).outcome == outcome


OUTCOMES = {"server_error": "server_error", "rejected": "rejected", "throttled": "throttled"}


@pytest.mark.parametrize("code", [*CODES, 99])
async def test_every_status(code: int) -> None:
    """gRPC's status codes say who is at fault."""
    name, happened = CODES.get(code, ("status 99", "server_error"))
    with Misbehaving(health(grpc=str(code), said="some%20words")) as server:
        result = await ask("grpc", host="localhost", port=server.port)
    assert (result.outcome, result.code) == (OUTCOMES[happened], code)
    assert result.detail == f"{name}: some words"
    assert result.ids == {"x-request-id": "r-1"}


@pytest.mark.parametrize(
    ("server", "outcome"),
    [
        (health(http="503", grpc=None), "server_error"),
        (health(http="404", grpc=None), "rejected"),
        (health(http="429", grpc=None), "throttled"),
        (health(http="302", grpc=None), "protocol"),
        (health(grpc=None), "protocol"),
        (health(grpc="x"), "protocol"),
        (health(message=b"hello"), "protocol"),
        (health(message=b"\0\0\0\0\x02\x12\x01"), "protocol"),
    ],
)
async def test_answers_that_are_not_grpc(server: type[Grpc], outcome: str) -> None:
    """HTTP statuses are judged as elsewhere; HTTP/2 without gRPC in it is not the protocol."""
    with Misbehaving(server) as running:
        result = await ask("grpc", host="localhost", port=running.port)
    assert result.outcome == outcome, shown(result)


async def test_a_server_of_http_1() -> None:
    """HTTP/1 where HTTP/2 is spoken is known at once."""
    with Misbehaving("http") as server:
        result = await ask("grpc", host="localhost", port=server.port)
    assert result.outcome in (Outcome.PROTOCOL, Outcome.TIMEOUT), shown(result)


def test_the_request_in_bytes() -> None:
    """HealthCheckRequest is one string, its length a varint."""
    assert _request("") == b""
    assert _request("a.B") == b"\x0a\x03a.B"
    assert _request("x" * 300)[:3] == b"\x0a\xac\x02"
