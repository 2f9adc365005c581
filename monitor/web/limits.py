"""Rates: so many requests a second from one address, and some more at once."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable


class Buckets:
    """A bucket of permissions for each address; it fills at `rate` a second up to `burst`.

    Of IPv6 a /64 is one address. What has not asked for long is forgotten; memory is bounded.
    """

    def __init__(
        self, *, rate: float, burst: float, limit: int = 10_000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._limit = limit
        self._monotonic = monotonic
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, address: str) -> bool:
        """Use one permission up; False where none is left."""
        key = network(address)
        level = self._level(key)
        if level < 1:
            return False
        self._levels.pop(key, None)
        self._levels[key] = (level - 1, self._monotonic())
        if len(self._levels) > self._limit:
            self._forget()
        return True

    def has(self, address: str) -> bool:
        """Whether one is left, without using it up."""
        return self._level(network(address)) >= 1

    def _level(self, key: str) -> float:
        level, at = self._levels.get(key, (self._burst, 0.0))
        return min(self._burst, level + (self._monotonic() - at) * self._rate)

    def _forget(self) -> None:
        """Drop full buckets, then the oldest."""
        for key in [key for key in self._levels if self._level(key) >= self._burst]:
            del self._levels[key]
        while len(self._levels) > self._limit:
            del self._levels[next(iter(self._levels))]


def network(address: str) -> str:
    """The address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
