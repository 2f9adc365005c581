"""What a probe found: the outcome, whose fault it is, and what was seen on the way. Pure values.

The outcomes and their faults are the table of docs/arithmetic.md §1. A remote's misconduct is a value here; only
our own bugs are exceptions, and ``probes._run`` turns those into ``Outcome.LOCAL``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Scalar = str | int | float | bool | None


class Fault(StrEnum):
    """Who answers for an outcome."""

    NONE = "none"
    PROVIDER = "provider"
    CUSTOMER = "customer"
    NETWORK = "network"
    MONITOR = "monitor"


class Outcome(StrEnum):
    """The result of one probe (arithmetic §1). ``fault`` says who answers for it."""

    OK = "ok"
    TIMEOUT = "timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    REFUSED = "refused"
    RESET = "reset"
    TLS = "tls"
    DNS = "dns"
    SERVER_ERROR = "server_error"
    WRONG_ANSWER = "wrong_answer"
    PROTOCOL = "protocol"
    UNDELIVERED = "undelivered"
    LISTED = "listed"
    REJECTED = "rejected"
    THROTTLED = "throttled"
    NETWORK = "network"
    LOCAL = "local"
    OFFLINE = "offline"

    @property
    def fault(self) -> Fault:
        """Whose fault this outcome is."""
        return FAULTS[self]


FAULTS: Mapping[Outcome, Fault] = {
    Outcome.OK: Fault.NONE,
    Outcome.TIMEOUT: Fault.PROVIDER,
    Outcome.CONNECT_TIMEOUT: Fault.PROVIDER,
    Outcome.REFUSED: Fault.PROVIDER,
    Outcome.RESET: Fault.PROVIDER,
    Outcome.TLS: Fault.PROVIDER,
    Outcome.DNS: Fault.PROVIDER,
    Outcome.SERVER_ERROR: Fault.PROVIDER,
    Outcome.WRONG_ANSWER: Fault.PROVIDER,
    Outcome.PROTOCOL: Fault.PROVIDER,
    Outcome.UNDELIVERED: Fault.PROVIDER,
    Outcome.LISTED: Fault.PROVIDER,
    Outcome.REJECTED: Fault.CUSTOMER,
    Outcome.THROTTLED: Fault.CUSTOMER,
    Outcome.NETWORK: Fault.NETWORK,
    Outcome.LOCAL: Fault.MONITOR,
    Outcome.OFFLINE: Fault.MONITOR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One step of a probe. Times in milliseconds; ``start_ms`` counts from the probe's start."""

    name: str
    start_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of a transcript, secrets already removed.

    ``at_ms`` counts from the probe's start; ``mark`` is ``>`` for what we sent, ``<`` for what came back, ``*`` for a
    note of ours.
    """

    at_ms: float
    mark: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFacts:
    """What a TLS handshake showed. Dates are seconds since the epoch, UTC.

    ``not_after`` is the earliest end among the certificates that the server sent.
    """

    version: str
    cipher: str
    not_before: int | None = None
    not_after: int | None = None
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    verified: bool = True


class Failed(Exception):
    """The service did not do what the probe asked. Raised by kinds, caught by ``probes._run``.

    Made by ``probes._classify.failed`` from a row of the one table; ``detail`` says what was seen in one sentence
    that a person can read, ``code`` is the protocol's own number.
    """

    def __init__(self, outcome: Outcome, detail: str, *, advice: str = "", code: int | None = None) -> None:
        super().__init__(detail)
        self.outcome = outcome
        self.detail = detail
        self.advice = advice
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything one probe found.

    ``duration_ms`` is whole milliseconds, ``code`` the protocol's own number (HTTP status, SMTP reply, SMPP
    command_status), ``ids`` what the provider calls this exchange, ``probe_id`` what we called it on the wire.
    ``transcript`` and ``evidence`` are bounded and free of secrets.
    """

    outcome: Outcome
    detail: str = ""
    advice: str = ""
    duration_ms: int = 0
    phases: tuple[Phase, ...] = ()
    peer: str | None = None
    code: int | None = None
    tls: TlsFacts | None = None
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    ids: Mapping[str, str] = field(default_factory=dict)
    transcript: tuple[Line, ...] = ()
    evidence: Mapping[str, object] = field(default_factory=dict)
    probe_id: str = ""

    @property
    def fault(self) -> Fault:
        """Whose fault the outcome is."""
        return self.outcome.fault
