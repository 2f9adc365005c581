"""The `outage_reports` block of the configuration: who is told of an outage by mail, and over which relays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from monitor.config.settings import Section
from monitor.config.validation import Misnamed, nearest, no_contract, no_service
from monitor.mailer import Relay
from probes._fields import Settings, Strings
from probes._smtp import MailAddress


class ReportRelay(Relay):
    """A relay for outage reports. It is never used for an outage of its own."""

    contracts: Strings = Field(
        default=(), description="contracts whose service this relay is: it is not used to report their outages"
    )


class ReportTo(Settings):
    """Whom to tell of the outages of one contract."""

    contract: str
    services: Strings = Field(default=(), description="only these services; none named: all")
    to: Annotated[tuple[MailAddress, ...], BeforeValidator(lambda v: v if isinstance(v, list | tuple) else [v])]
    account: str | None = Field(default=None, description="what the provider calls you: a customer number, a login")
    text: str | None = Field(default=None, description="more words for the mail, below the facts")


class OutageReportSettings(Section):
    """Outage reports by mail, at the moment an outage is confirmed: at most one for each outage."""

    KEY: ClassVar[str] = "outage_reports"

    relays: tuple[ReportRelay, ...] = Field(default=(), description="tried in this order")
    reports: tuple[ReportTo, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> OutageReportSettings:
        if self.reports and not self.relays:
            raise ValueError("reports: needs relays:, the relays by which they are sent; name at least one")
        named: set[tuple[str, str]] = set()
        for report in self.reports:
            for service in report.services or ("",):
                if (report.contract, service) in named or (report.contract, "") in named:
                    what = f"the service {service!r} of {report.contract!r}" if service else f"{report.contract!r}"
                    raise ValueError(f"outages of {what} are reported twice; one mail goes out for each outage")
                named.add((report.contract, service))
        return self

    def against(self, contracts: Mapping[str, Sequence[str]]) -> Misnamed:
        """Reports of contracts and services, and relays of contracts, that are not there."""
        for index, relay in enumerate(self.relays):
            yield from no_contract(relay.contracts, contracts, ("relays", index, "contracts"))
        for index, report in enumerate(self.reports):
            if report.contract not in contracts:
                hint = nearest(report.contract, contracts)
                yield ("reports", index, "contract"), f"'{report.contract}' is no contract here: {hint}"
            else:
                known = contracts[report.contract]
                yield from no_service(report.services, report.contract, known, ("reports", index, "services"))

    def wanted(self, contract: str, service: str) -> ReportTo | None:
        """Whom to tell of an outage of this service, if anybody."""
        for report in self.reports:
            if report.contract == contract and (not report.services or service in report.services):
                return report
        return None
