"""Types for the settings of a kind of probe.

Every scalar of the configuration arrives as text; these types give it its meaning. A message of theirs follows
file, line and column, so it says what is wrong and what to write instead.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticKnownError

from probes._durations import PATTERN, parse_duration


def written(value: Any) -> str:
    """A text; what is none is refused as one, in place of being taken for the text of its Python form."""
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    return value


def duration_ms(value: Any) -> int:
    """Milliseconds of a duration; a whole number is one already (a default). Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return parse_duration(written(value))


def _as_list(value: Any) -> Any:
    """A single value stands for a list of one."""
    return value if isinstance(value, list | tuple) else [value]


DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$", "examples": ["60s", "5m"]})
Duration = Annotated[int, BeforeValidator(duration_ms), Field(ge=0), DURATION_SCHEMA]
"""A length of time in milliseconds, written as ``60s``."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP or UDP port."""

Statuses = Annotated[tuple[Annotated[int, Field(ge=100, le=999)], ...], BeforeValidator(_as_list)]
"""One HTTP status code or a list of them."""

Strings = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
"""One string or a list of them."""

_NAME = r"^[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62}))*\.?$"


def _addresses(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"{text!r} is not an address; write one such as 192.0.2.1 or 2001:db8::1") from None
    return value


Domain = Annotated[str, StringConstraints(pattern=_NAME, max_length=253)]
"""A domain name."""
Domains = Annotated[tuple[Domain, ...], BeforeValidator(_as_list)]
"""One domain name or a list of them."""
Addresses = Annotated[Strings, AfterValidator(_addresses)]
"""One IP address or a list of them."""


def regex(value: Any) -> str:
    """A regular expression that compiles; raises ValueError naming the fault and its position."""
    pattern = written(value)
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
    return pattern


Regex = Annotated[str, BeforeValidator(regex)]
"""A regular expression in Python's syntax, searched for (not anchored)."""


def _beside(value: Any, info: ValidationInfo) -> Path:
    """A file that can be read; a relative name stands beside the configuration (context ``base``)."""
    named = value if isinstance(value, Path) else written(value)  # a path has been read before: settings made of others
    path = Path((info.context or {}).get("base", "."), named)
    if not path.is_file():
        raise ValueError(f"there is no file {path}; name one that exists, relative to the configuration's folder")
    return path


LocalFile = Annotated[Path, BeforeValidator(_beside, json_schema_input_type=str)]
"""An existing file, named relative to the configuration."""


_NO_HOST = re.compile(r"[\s\0-\x1f\x7f/:@?#%*\[\]\\,;\"'<>(){}|]")


def host(value: str) -> str:
    """A name that can be asked for, or an address; raises ValueError with a sentence."""
    try:
        ipaddress.ip_address(value)
    except ValueError:
        labels = value.removesuffix(".").split(".")
        # A name that ends in a number is read as an address everywhere (RFC 3696 §2): this one is mistyped.
        unknowable = _NO_HOST.search(value) or len(value) > 253 or labels[-1].isdecimal()
        if unknowable or not all(1 <= len(label) <= 63 for label in labels):
            raise ValueError(
                f"'{value}' is no host: write its name or address alone, such as smtp.example or 192.0.2.1"
            ) from None
    return value


class Settings(BaseModel):
    """A strict block of settings: unknown keys are refused, values do not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)

    @field_validator("host", check_fields=False)
    @classmethod
    def _a_host(cls, value: str) -> str:
        """Whatever kind has a host: one that no resolver can know would be booked as the provider's missing name."""
        return host(value)


class ProbeTarget(Settings):
    """The settings of one kind of probe. Subclasses add their own fields.

    ``ip`` chooses the family: ``4`` or ``6`` only, or ``any`` (the addresses in the order the name gives them).
    """

    COSTS_MONEY: ClassVar[bool] = False
    """True for kinds that always send real messages: they need an interval of their own and a daily budget."""

    @property
    def costs_money(self) -> bool:
        """Whether a probe with these settings sends a real message. Kinds that do so only when asked override it."""
        return self.COSTS_MONEY

    @property
    def daily_budget(self) -> int | None:
        """The most probes that may run in a day (UTC), re-probes too; None where they cost nothing."""
        return int(getattr(self, "budget", 0)) if self.costs_money else None

    ip: Annotated[str, Field(pattern="^(4|6|any)$", description="address family: 4, 6 or any")] = "any"


class Paid(Settings):
    """For kinds that can send real messages. Whoever runs the probes keeps the budget: a probe cannot count."""

    budget: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=24, description="the most messages sent in a day (UTC)"
    )
