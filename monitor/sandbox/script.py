"""What the sandbox's providers do wrong, and when. Pure values."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """One way to fail; the outcome that a probe reports for it stands behind it."""

    ERROR = "error"
    """The service says that it failed: HTTP 503, SMTP 451, SMPP ESME_RSYSERR (server_error)."""
    REFUSE = "refuse"
    """Nothing listens (refused)."""
    SILENCE = "silence"
    """Accepts and says nothing (timeout)."""
    DRIP = "drip"
    """Sends a byte a second (timeout)."""
    RESET = "reset"
    """Breaks the connection off (reset)."""
    BAD_CERTIFICATE = "bad_certificate"
    """Shows a certificate for another name (tls). Without TLS: refuses."""
    WRONG_ANSWER = "wrong_answer"
    """A well-formed answer that says something else (wrong_answer; SMTP: no STARTTLS; SMPP: a broken PDU)."""
    THROTTLE = "throttle"
    """Tells us to slow down: HTTP 429, SMTP 421 4.7.0, SMPP ESME_RTHROTTLED (throttled; never the provider's fault)."""


@dataclass(frozen=True, slots=True)
class Act:
    """One fault of one provider, in seconds since the sandbox started."""

    provider: str
    start_s: float
    end_s: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Script:
    """Acts, played again and again: `cycle_s` is how long one round lasts."""

    acts: tuple[Act, ...]
    cycle_s: float

    def __post_init__(self) -> None:
        for act in self.acts:
            if not 0 <= act.start_s < act.end_s <= self.cycle_s:
                raise ValueError(f"{act} does not fit into a cycle of {self.cycle_s} s")

    def playing(self, elapsed_s: float) -> dict[str, Fault]:
        """The fault that each provider shows `elapsed_s` after the start; those that work are absent."""
        now = elapsed_s % self.cycle_s
        return {act.provider: act.fault for act in self.acts if act.start_s <= now < act.end_s}

    def next_change(self, elapsed_s: float) -> float:
        """Seconds until some provider changes its ways."""
        now = elapsed_s % self.cycle_s
        edges = sorted({edge for act in self.acts for edge in (act.start_s, act.end_s)} | {self.cycle_s})
        return next(edge for edge in edges if edge > now) - now


def script(acts: Iterable[tuple[str, float, float, Fault]], cycle_s: float) -> Script:
    """A script from plain tuples."""
    return Script(tuple(Act(*act) for act in acts), cycle_s)


# A service probed every 60 s is hit for certain by 70 s of fault; the website, probed every 300 s, by 310 s.
SHOW = script(
    [
        ("mailgun-api", 25, 97, Fault.ERROR),
        ("clicksend-sms", 150, 222, Fault.SILENCE),
        ("mailpro-smtp", 240, 312, Fault.BAD_CERTIFICATE),
        ("mailgun-smtp", 330, 402, Fault.REFUSE),
        ("mailpro-sms", 420, 492, Fault.THROTTLE),
        ("sparkpost-api", 450, 522, Fault.WRONG_ANSWER),
        ("mailpro-website", 540, 852, Fault.ERROR),
        ("mailpro-apps", 560, 632, Fault.DRIP),
        ("mailpro-api", 660, 732, Fault.RESET),
        ("mailpro-sms", 760, 832, Fault.ERROR),
    ],
    cycle_s=3600,
)
"""The script of `slaproof run --sandbox`: every kind of fault within a quarter of an hour, then quiet for the rest."""
