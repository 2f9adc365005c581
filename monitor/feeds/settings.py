"""The block ``feeds`` of the configuration: which pages of providers are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from monitor.config.settings import Section, Settings
from monitor.config.validation import nearest
from probes._fields import Duration, Regex, Strings


class Feed(Settings):
    """One page of a provider: exactly one of statuspage and icalendar."""

    name: Annotated[
        str,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60, description="a name; what is read bears it"),
    ]
    contract: Annotated[str, Field(description="the contract whose maintenance and incidents it tells")]
    statuspage: Annotated[
        str | None, Field(pattern="^https?://", description="the address of a status page (Atlassian Statuspage v2)")
    ] = None
    icalendar: Annotated[
        str | None, Field(description="the address of a calendar (RFC 5545), or a file relative to the configuration")
    ] = None
    components: Annotated[
        Mapping[str, Strings],
        Field(
            description="what the page calls its components (name or id; in a calendar, words of the title or category)"
            " and the services they stand for; what touches none of them is passed over; none named: all is taken"
        ),
    ] = {}
    only: Annotated[Regex | None, Field(description="take only windows whose title matches")] = None
    emergency: Annotated[Regex | None, Field(description="windows whose title matches are emergency maintenance")] = (
        None
    )
    interval: Annotated[Duration, Field(ge=10_000, description="how often it is read")] = 300_000

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.statuspage is None) == (self.icalendar is None):
            raise ValueError(f"the feed {self.name!r} needs exactly one of statuspage and icalendar")
        return self


class FeedsSettings(Section):
    """Status pages and calendars of providers, read and kept as evidence."""

    KEY: ClassVar[str] = "feeds"
    FILE_SECRETS: ClassVar[bool] = False

    pages: Annotated[tuple[Feed, ...], Field(description="the pages that are read")] = ()

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [page.name for page in self.pages]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two feeds are named {name!r}: give each its own name")
        return self

    def against(self, contracts: Mapping[str, Sequence[str]]) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Feeds of contracts and for services that are not there."""
        for index, page in enumerate(self.pages):
            if page.contract not in contracts:
                hint = nearest(page.contract, contracts)
                yield ("pages", index, "contract"), f"'{page.contract}' is no contract here: {hint}"
                continue
            for name, services in page.components.items():
                for service in services:
                    if service not in contracts[page.contract]:
                        hint = nearest(service, contracts[page.contract])
                        where = ("pages", index, "components", name)
                        yield where, f"'{service}' is no service of {page.contract}: {hint}"
