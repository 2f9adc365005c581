"""The record that a probe writes as it goes, so that a deadline in its middle loses nothing of it."""

import asyncio
import time

from probes._outcome import Line, Phase, Scalar, TlsFacts
from probes._redact import Redactor, nothing_to_hide

TRANSCRIPT_BYTES = 16_384
"""The most text that a transcript keeps; what comes after is counted, not kept."""
LINE_BYTES = 2_048
"""The most that one entry of a transcript keeps."""
FACT_CHARACTERS = 500
"""The most that a fact in words keeps: facts are kept of good probes too."""
_LINE_ENDS = {ord("\n"): None, ord("\t"): None}
BODY_BYTES = 1_024
"""How much of an answer's body is kept as evidence."""


class Trace:
    """What one probe does and sees: phases with times, transcript, peer, facts, the provider's ids.

    ``deadline`` is an instant of the running loop's clock, ``now_ms`` the wall clock at the start in milliseconds,
    ``nameservers`` the resolvers to ask (empty: the system's), ``clock_suspect`` true where our own clock may be wrong,
    so that a certificate's dates prove nothing. Whatever leaves it (transcript, facts, ids, evidence) is redacted; the
    transcript only when it is asked for, since most probes succeed and nobody reads theirs. ``thorough`` is false
    where nobody will: what then is evidence only need not be looked at in a probe that goes well.
    """

    __slots__ = (
        "_kept",
        "_lines",
        "_phases",
        "_redact",
        "_stack",
        "_started",
        "_timeout_s",
        "clock_suspect",
        "code",
        "deadline",
        "dropped",
        "evidence",
        "facts",
        "ids",
        "last_phase",
        "nameservers",
        "now_ms",
        "peer",
        "probe_id",
        "thorough",
        "tls",
    )

    def __init__(
        self,
        *,
        timeout_s: float,
        probe_id: str,
        now_ms: int,
        redactor: Redactor | None = None,
        nameservers: tuple[str, ...] = (),
        clock_suspect: bool = False,
        thorough: bool = True,
    ) -> None:
        # The loop's own clock stands still while a callback runs, and uvloop's counts whole milliseconds.
        self._started = time.monotonic()
        self._timeout_s = timeout_s
        self.deadline = asyncio.get_running_loop().time() + timeout_s
        self.probe_id = probe_id
        self.now_ms = now_ms
        self.nameservers = nameservers
        self.clock_suspect = clock_suspect
        self.thorough = thorough
        self._redact = redactor or nothing_to_hide()
        self._phases: list[tuple[str, float, float]] = []
        self._stack: list[tuple[str, float]] = []
        self.last_phase = "start"
        self._lines: list[tuple[float, str, str | bytes, int]] = []
        self._kept = 0
        self.dropped = 0
        self.peer: str | None = None
        self.code: int | None = None
        self.tls: TlsFacts | None = None
        self.facts: dict[str, Scalar] = {}
        self.ids: dict[str, str] = {}
        self.evidence: dict[str, object] = {}

    def elapsed_ms(self) -> float:
        """Milliseconds since the probe began."""
        return (time.monotonic() - self._started) * 1000

    def remaining(self) -> float:
        """Seconds until the deadline, never below 0."""
        return max(0.0, self._timeout_s - (time.monotonic() - self._started))

    def phase(self, name: str) -> "_Step":
        """Times one step. A step that fails or is cut off by the deadline is recorded too."""
        self.last_phase = name
        self._stack.append((name, time.monotonic()))
        return _Step(self)

    def _close(self) -> None:
        self._phases.append((*self._stack.pop(), time.monotonic()))

    def phases(self) -> tuple[Phase, ...]:
        """The steps so far, in the order in which they began; one still open ends now."""
        while self._stack:
            self._close()
        return tuple(
            Phase(
                name=name,
                start_ms=round((began - self._started) * 1000, 3),
                duration_ms=round((ended - began) * 1000, 3),
            )
            for name, began, ended in sorted(self._phases, key=_began)
        )

    def sent(self, data: str | bytes) -> None:
        """Records what we sent."""
        self._record(">", data)

    def received(self, data: str | bytes) -> None:
        """Records what came back."""
        self._record("<", data)

    def note(self, text: str) -> None:
        """Records a remark of ours, such as an address tried."""
        self._record("*", text)

    def _record(self, mark: str, data: str | bytes) -> None:
        if self._kept >= TRANSCRIPT_BYTES:
            self.dropped += len(data)
            return
        # More than is shown: a secret cut in half would no longer be recognised.
        self._kept += min(len(data), LINE_BYTES) + 1
        self._lines.append((time.monotonic(), mark, data[: LINE_BYTES * 4], len(data)))

    def transcript(self) -> tuple[Line, ...]:
        """The entries so far, redacted; a last note tells how much was left out, if any was."""
        lines = [self._line(*entry) for entry in self._lines]
        if self.dropped:
            lines.append(self._line(time.monotonic(), "*", f"{self.dropped} more bytes not kept", 0))
        return tuple(lines)

    def _line(self, at: float, mark: str, data: str | bytes, length: int) -> Line:
        text = self._redact(printable(data))
        if len(text) > LINE_BYTES:
            text = f"{text[:LINE_BYTES]} … ({length} in all)"
        return Line(at_ms=round((at - self._started) * 1000, 1), mark=mark, text=text)

    def fact(self, name: str, value: Scalar) -> None:
        """Keeps a plain value under a name, for metrics and pages."""
        self.facts[name] = self._redact(value[:LINE_BYTES])[:FACT_CHARACTERS] if isinstance(value, str) else value

    def identify(self, name: str, value: str) -> None:
        """Keeps what the provider calls this exchange (a request id, queue id, message id)."""
        self.ids[name] = self._redact(printable(value[:1000]))[:200]

    def witness(self, name: str, value: object) -> None:
        """Keeps evidence that is more than a scalar; it must be made of plain JSON values. `witnessed` redacts it."""
        self.evidence[name] = value

    def witnessed(self) -> dict[str, object]:
        """The evidence so far, redacted."""
        return {name: self._redact.deep(value) for name, value in self.evidence.items()}

    def conceal(self, secret: str) -> None:
        """Hides a secret that only this probe knows, such as a token that the service gave it."""
        self._redact = self._redact.also(secret)

    def aside(self) -> "Trace":
        """A trace for what serves this probe and is not the service: same deadline and secrets, a record of its own."""
        return Trace(
            timeout_s=self.remaining(),
            probe_id=self.probe_id,
            now_ms=self.now_ms,
            redactor=self._redact,
            nameservers=self.nameservers,
            clock_suspect=self.clock_suspect,
        )

    def redact(self, text: str) -> str:
        """The text without secrets, for details that quote the remote."""
        return self._redact(text)


class _Step:
    """An open step; what ends it well makes the one around it the last phase again."""

    __slots__ = ("_trace",)

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        trace = self._trace
        trace._close()
        if kind is None and trace._stack:
            trace.last_phase = trace._stack[-1][0]


def _began(step: tuple[str, float, float]) -> float:
    return step[1]


def printable(data: str | bytes) -> str:
    """Text for people: UTF-8 where it is, control and invalid bytes as escapes, line ends kept as ``\\n``."""
    text = data if isinstance(data, str) else bytes(data).decode("utf-8", "backslashreplace")
    text = text.replace("\r\n", "\n").rstrip("\n")
    if text.translate(_LINE_ENDS).isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
