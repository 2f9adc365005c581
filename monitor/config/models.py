"""The blocks of the configuration file that belong to the monitor itself, as strict models."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from monitor.config.settings import Settings
from probes._fields import DURATION_SCHEMA, Duration, duration_ms, written
from probes._fields import host as known_host

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def _name(value: Any) -> str:
    if not _NAME.fullmatch(written(value)):
        raise ValueError(f"'{value}' is no name: write letters, digits, '.', '_' and '-', a hundred at most")
    return str(value)


def _a_second_or_more(value: Any) -> int:
    read = duration_ms(value)
    if read < 1000:
        raise ValueError(f"'{value}' is too short: write 1s or more")
    return read


def _some_time(value: Any) -> int:
    read = duration_ms(value)
    if read < 1:
        raise ValueError(f"'{value}' leaves no time for an answer: write 1s or more")
    return read


def split_host_port(text: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``; raises ValueError with a sentence."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not (port.isascii() and port.isdecimal()) or not bare or not 0 <= int(port) <= 65535:
        raise ValueError(f"'{text}' is no address: write host:port, such as 192.0.2.1:443 or [2001:db8::1]:443")
    if ":" in bare and not host.startswith("[") and _address(bare):
        raise ValueError(f"'{text}' can be read in two ways: write [{bare}]:{port}")
    return known_host(bare), int(port)


def _address(text: str) -> str | None:
    """The address that this text is, in its usual form; None where it is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _listen(value: Any) -> tuple[str, int]:
    return split_host_port(written(value))


def _host_port(value: Any) -> str:
    host, port = split_host_port(written(value))
    if port == 0:
        raise ValueError(f"'{value}' has no port that can be asked: write one from 1 to 65535")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _nameserver(value: Any) -> str:
    address = _address(written(value))
    if address is None:
        raise ValueError(f"'{value}' is no address: write the name server's IP address, such as 192.0.2.53")
    return address


def _storage(value: Any) -> str:
    if "://" in written(value):
        raise ValueError(f"'{value}' is an address, and only SQLite is built: write a path, such as slaproof.db")
    return str(value)


def _a_tenth_or_more(value: Any) -> int:
    read = duration_ms(value)
    if read < 100:
        raise ValueError(f"'{value}' is too short: write 100ms or more")
    return read


def _list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
"""A name that fits into a label, a file's name and an address."""
Pause = Annotated[int, BeforeValidator(_a_tenth_or_more), DURATION_SCHEMA]
"""A length of time after which something is asked again: long enough to be no flood."""
Wait = Annotated[int, BeforeValidator(_some_time), DURATION_SCHEMA]
"""A length of time for an answer: not none."""
HostPort = Annotated[
    str, BeforeValidator(_host_port), WithJsonSchema({"type": "string", "examples": ["192.0.2.1:443"]})
]
Listen = Annotated[
    tuple[str, int], BeforeValidator(_listen), WithJsonSchema({"type": "string", "examples": ["127.0.0.1:9780"]})
]


class Reprobe(Settings):
    """How a failing target is followed until it is good again. These extra probes are never counted as scheduled.

    Failures that are ours to mend (a wrong password, a rate limit) are not followed: asking more makes them worse.
    """

    enabled: bool = Field(default=True, description="false: only the probes on the interval")
    first: Annotated[Pause, Field(description="how long after the first failure")] = 1_000
    every: Annotated[Pause, Field(description="then how often")] = 5_000
    fast_for: Annotated[Duration, Field(description="for how long, counted from the first failure")] = 120_000
    then: Annotated[Pause, Field(description="and how often after that, until it is good")] = 15_000
    per_minute: Annotated[
        int, Field(ge=1, description="the most extra probes a minute for all targets of one contract together")
    ] = 60


class ReferenceSettings(Settings):
    """How the reference hosts are asked whether this location is online."""

    interval: Annotated[Pause, Field(description="how often they are asked while all is well")] = 5_000
    timeout: Annotated[Wait, Field(description="how long a host may take to answer a connection")] = 2_000
    fresh: Annotated[Duration, Field(description="how old an answer may be to judge a failed probe by")] = 1_000


class LogSettings(Settings):
    """What the daemon writes to standard error."""

    format: Annotated[Literal["text", "json"], Field(description="lines of key=value, or of JSON")] = "text"
    level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="the least that is written")] = (
        "info"
    )


class TargetSettings(Settings):
    """What every target has, beside the one key that says how it is probed."""

    name: Annotated[Name, Field(description="unique; it names the target in metrics, reports and proofs for good")]
    contract: Annotated[str | None, Field(description="the contract whose service this target watches")] = None
    service: Annotated[str | None, Field(description="which service of the contract")] = None
    interval: Annotated[
        Annotated[int, BeforeValidator(_a_second_or_more), DURATION_SCHEMA] | None,
        Field(description="how often it is probed, from 1s; 60s where nothing is said"),
    ] = None
    timeout: Annotated[
        Wait | None,
        Field(description="when an answer is too late; 10s, or nine tenths of an interval of 11s and less"),
    ] = None
    stale_after: Annotated[
        Duration | None, Field(description="how long a result says something about the service; twice the interval")
    ] = None
    reprobe: Annotated[Reprobe | None, Field(description="how a failure of this target is followed")] = None


class Root(Settings):
    """The settings that stand at the top of the file."""

    location: Annotated[Name, Field(description="the name of the place that is probed from; the database keeps it")] = (
        "main"
    )
    storage: Annotated[
        str,
        BeforeValidator(_storage),
        Field(min_length=1, description="the database: a path beside the file, or under $STATE_DIRECTORY"),
    ] = "slaproof.db"
    listen: Annotated[Listen, Field(description="where pages, API and metrics are served")] = ("127.0.0.1", 9780)
    reference_hosts: Annotated[
        tuple[HostPort, ...],
        BeforeValidator(_list),
        Field(
            description="hosts that tell whether this location is online: a failure while none of them answers is ours"
        ),
    ] = ()
    nameservers: Annotated[
        tuple[Annotated[str, BeforeValidator(_nameserver)], ...],
        BeforeValidator(_list),
        Field(description="name servers to ask, in place of those of /etc/resolv.conf"),
    ] = ()
    reference: Annotated[ReferenceSettings, Field(description="how the reference hosts are asked")] = (
        ReferenceSettings()
    )
    reprobe: Annotated[Reprobe, Field(description="how failing targets are followed")] = Reprobe()
    log: Annotated[LogSettings, Field(description="the daemon's log")] = LogSettings()
