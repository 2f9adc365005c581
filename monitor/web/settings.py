"""The block ``web`` of the configuration: who may read, and what is public."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from monitor.config.settings import Section, Settings
from monitor.config.validation import Misnamed, nearest, no_service
from probes._fields import LocalFile, Strings

Show = Literal["state", "availability", "history", "outages", "maintenance"]
"""What a public page may show of a service, beside its name."""


def _text_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


class PublicPage(Settings):
    """The public status page of one contract. Nothing is shown that does not stand here."""

    title: Annotated[str | None, Field(max_length=200, description="the page's heading; the contract's name")] = None
    services: Annotated[Strings, Field(description="the services that are shown; every one where none is named")] = ()
    show: Annotated[
        tuple[Show, ...],
        BeforeValidator(_text_list),
        Field(description="what is shown of each: state, availability, history, outages, maintenance"),
    ] = ("state",)


class WebSettings(Section):
    """Who may see the pages and ask the API."""

    KEY: ClassVar[str] = "web"
    FILE_SECRETS: ClassVar[bool] = False

    config_file: Annotated[
        LocalFile | None,
        Field(description="web.config.file of the Prometheus exporter toolkit: TLS, client certificates, basic auth"),
    ] = None
    loopback: Annotated[
        Literal["open", "closed"],
        Field(description="closed: whoever asks from this machine needs a token too, as behind a proxy on it"),
    ] = "open"
    hosts: Annotated[
        Strings,
        Field(description="further names under which this machine's own browser may open the pages, such as a proxy's"),
    ] = ()
    public: Annotated[
        Mapping[str, PublicPage],
        Field(description="contracts with a public status page, and what it shows"),
    ] = {}
    requests_per_second: Annotated[
        int, Field(ge=1, le=10_000, description="how often one address may ask, on average; five times that at once")
    ] = 50
    language: Annotated[
        Literal["auto", "en", "de", "es", "sv"],
        Field(description="the pages' language; auto: what the browser prefers"),
    ] = "auto"
    blackbox: Annotated[
        LocalFile | None,
        Field(description="blackbox.yml with the modules that /probe may use, as blackbox_exporter; none: no /probe"),
    ] = None
    refresh: Annotated[
        int, Field(ge=1, le=3600, description="seconds between two live updates of a page, at the least")
    ] = 5

    def against(self, contracts: Mapping[str, Sequence[str]]) -> Misnamed:
        """Public pages of contracts, and of services, that are not there."""
        for name, page in self.public.items():
            if name not in contracts:
                yield ("public", name), f"'{name}' is no contract here: {nearest(name, contracts)}"
            else:
                yield from no_service(page.services, name, contracts[name], ("public", name, "services"))
