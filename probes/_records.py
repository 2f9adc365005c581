"""DNS records of any type for the kinds that judge what they say; each question asked once in a probe and kept.

States: ``answer``, ``nxdomain``, ``empty`` (the name has no such record), ``refused``, ``servfail``, ``silent``.
"""

import asyncio
from typing import NamedTuple

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.TXT
import dns.resolver

from probes._classify import failed
from probes._datagrams import BACKEND
from probes._outcome import Failed
from probes._resolve import control, resolver_for
from probes._trace import Trace

_MOST_AT_ONCE = 20
_MOST_KEPT = 200
_CONTROL_S = 1.0


class Answer(NamedTuple):
    """What a question brought: a state, and the records as text (TXT: their strings joined, RFC 7208 §3.3)."""

    state: str
    values: tuple[str, ...] = ()
    name: str = ""

    @property
    def void(self) -> bool:
        """Whether it brought no record although the DNS works (RFC 7208 §4.6.4)."""
        return self.state in ("nxdomain", "empty")


class Records:
    """Asks the resolvers of the trace (or those given), each question once; what came is evidence."""

    def __init__(self, trace: Trace, nameservers: tuple[str, ...] = ()) -> None:
        self._trace = trace
        self._resolver = resolver_for(nameservers or trace.nameservers)
        self._known: dict[tuple[str, str], asyncio.Task[Answer]] = {}
        self._slots = asyncio.Semaphore(_MOST_AT_ONCE)
        self._seen: list[dict[str, object]] = []
        trace.witness("servers", [str(server) for server in self._resolver.nameservers])

    async def ask(self, name: str, rdtype: str) -> Answer:
        """The answer to one question; never raises but where the deadline cancels it."""
        key = (name.lower().rstrip("."), rdtype)
        task = self._known.get(key)
        if task is None:
            task = self._known[key] = asyncio.create_task(self._ask(name, rdtype))
        return await asyncio.shield(task)

    def close(self) -> None:
        """Give up what is still asked, and keep what was seen as evidence."""
        for task in self._known.values():
            task.cancel()
        self._trace.witness("questions", self._seen[:_MOST_KEPT])

    async def _ask(self, name: str, rdtype: str) -> Answer:
        async with self._slots:
            began = self._trace.elapsed_ms()
            answer = await self._resolve(name, rdtype)
        entry: dict[str, object] = {
            "name": name,
            "type": rdtype,
            "state": answer.state,
            "values": list(answer.values[:20]),
        }
        self._seen.append(entry | {"ms": round(self._trace.elapsed_ms() - began, 1)})
        shown = ", ".join(answer.values[:5])
        self._trace.received(f"{name} {rdtype}: {shown[:600] or answer.state}")
        return answer

    async def _resolve(self, name: str, rdtype: str) -> Answer:
        budget = max(0.05, min(5.0, self._trace.remaining() * 0.6))
        try:
            # dnspython may sleep beyond its lifetime before it asks again.
            async with asyncio.timeout(budget):
                # The final dot: search domains of this machine must play no part.
                found = await self._resolver.resolve(
                    name.rstrip(".") + ".",
                    rdtype,
                    lifetime=budget,
                    raise_on_no_answer=False,
                    search=False,
                    backend=BACKEND,
                )
        except dns.resolver.NXDOMAIN:
            return Answer("nxdomain")
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, UnicodeError, dns.name.BadEscape):
            return Answer("nxdomain")
        except dns.resolver.NoNameservers as error:
            return Answer("refused" if "REFUSED" in str(error) else "servfail")
        except (dns.exception.Timeout, TimeoutError):
            return Answer("silent")
        except (dns.exception.DNSException, OSError):
            return Answer("servfail")
        if found.rrset is None:
            return Answer("empty", name=str(found.canonical_name))
        return Answer("answer", tuple(_text(record) for record in found), str(found.canonical_name))

    async def why_not(self, name: str, answer: Answer) -> Failed:
        """The failure that a question without an answer means: the zone's where the resolver works, else ours."""
        works = await control(self._resolver, min(_CONTROL_S, max(0.05, self._trace.remaining() * 0.5)))
        if not works:
            return failed("net", "resolve", "no_resolver", f"no resolver answered while looking up {name}")
        if answer.state == "silent":
            return failed("net", "resolve", "silent_zone", f"no answer for {name} in time, other names resolve")
        return failed(
            "net", "resolve", "servfail", f"{name} cannot be resolved ({answer.state.upper()}), other names can"
        )


def _text(record: object) -> str:
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(record.strings).decode("utf-8", "backslashreplace")
    return str(record)
