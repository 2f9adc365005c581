"""Just enough DER (X.690) to read timestamps and signatures of PDF files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

INTEGER, OCTETS, OID, SEQUENCE, SET = 0x02, 0x04, 0x06, 0x30, 0x31


class DerError(ValueError):
    """Bytes that are not the DER that was expected."""


@dataclass(frozen=True, slots=True)
class Der:
    """One element: its tag, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def children(self) -> list[Der]:
        """The elements in it."""
        found, at = [], 0
        while at < len(self.content):
            one = read(self.content[at:])
            found.append(one)
            at += len(one.whole)
        return found

    def oid(self) -> str:
        """An object identifier's numbers."""
        if self.tag != OID or not self.content:
            raise DerError("not an object identifier")
        numbers, value = [], 0
        for byte in self.content:
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                numbers.append(value)
                value = 0
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, (first, numbers[0] - 40 * first, *numbers[1:])))

    def integer(self) -> int:
        """A whole number."""
        if self.tag != INTEGER:
            raise DerError("not a whole number")
        return int.from_bytes(self.content, "big", signed=True)

    def instant(self) -> int:
        """A GeneralizedTime or UTCTime in UTC, as milliseconds."""
        text = self.content.decode("ascii")
        if self.tag == 0x17:
            text = ("19" if text[:2] >= "50" else "20") + text
        elif self.tag != 0x18:
            raise DerError("not an instant")
        head, _, fraction = text.removesuffix("Z").partition(".")
        moment = datetime.strptime(head, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        return int(moment.timestamp()) * 1000 + int((fraction + "000")[:3])


def read(data: bytes) -> Der:
    """The element at the start of the bytes; more may follow it."""
    if len(data) < 2:
        raise DerError("cut off")
    length, at = data[1], 2
    if length == 0x80 or data[0] & 0x1F == 0x1F:
        raise DerError("not DER")
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if at + length > len(data):
        raise DerError("cut off")
    return Der(data[0], data[at : at + length], data[: at + length])
