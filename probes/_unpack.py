"""Bodies that come compressed, unpacked up to a bound, so that no bomb goes off here."""

import zlib
from typing import Protocol

from probes._classify import failed

BOMB_RATIO = 200
"""A body that grows more than this many times when unpacked, beyond the bound, is a bomb; HTML grows up to 20."""


class _Unpacker(Protocol):
    """What zlib's decompression objects offer."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


class Unpacked:
    """A body as it comes, unpacked (gzip, deflate) up to a bound."""

    def __init__(self, encoding: str, limit: int) -> None:
        self.data = bytearray()
        self.packed = 0
        self.cut = False
        self.unknown = ""
        self._limit = limit
        self._waiting = b""
        self._encoding = {"x-gzip": "gzip"}.get(encoding, encoding)
        self._unpacker: _Unpacker | None = None
        if self._encoding not in ("", "gzip", "deflate"):
            self.unknown, self._encoding = encoding, ""

    def add(self, piece: bytes | bytearray) -> None:
        """The next piece of the body. Raises Failed where it is damaged or a bomb."""
        self.packed += len(piece)
        if self.cut:
            return
        if not self._encoding:
            room = self._limit - len(self.data)
            self.data += piece[:room]
            self.cut = len(piece) > room
            return
        try:
            self._unpack(self._waiting + bytes(piece))
        except zlib.error as error:
            raise failed("http", "answer", "bad_encoding", f"the compressed body is damaged: {error}") from None
        if self.cut and self._unpacker is not None:
            used = self.packed - len(self._unpacker.unconsumed_tail)
            if len(self.data) > used * BOMB_RATIO:
                raise failed("http", "answer", "bomb", f"{used} bytes unpack to more than {self._limit}")

    def _unpack(self, piece: bytes) -> None:
        if self._unpacker is None:
            if len(piece) < 2:
                self._waiting = piece
                return
            self._waiting, self._unpacker = b"", self._choose(piece)
        while piece:
            self.data += self._unpacker.decompress(piece, self._limit - len(self.data) + 1)
            if len(self.data) > self._limit:
                del self.data[self._limit :]
                self.cut = True
                return
            if not self._unpacker.eof or self._encoding != "gzip":
                return
            # Another gzip member may follow (RFC 1952 §2.2).
            if piece := self._unpacker.unused_data:
                self._unpacker = zlib.decompressobj(31)

    def _choose(self, start: bytes) -> _Unpacker:
        if self._encoding == "gzip":
            return zlib.decompressobj(31)
        # Many servers send raw deflate where RFC 9110 §8.4.1.2 wants zlib's frame (RFC 1950 §2.2) around it.
        framed = start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0
        return zlib.decompressobj(15 if framed else -15)

    def end(self) -> None:
        """The body is over. Raises Failed where its compression is not."""
        whole = self._unpacker is not None and self._unpacker.eof
        if self._encoding and self.packed and not self.cut and not whole:
            raise failed("http", "answer", "bad_encoding", "the compressed body ends too early")
