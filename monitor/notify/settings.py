"""The `notify` block of the configuration: where messages go, when they must not, and who is told next."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, model_validator

from monitor.config.settings import Section
from monitor.config.validation import Misnamed, no_contract
from monitor.mailer import Relay
from monitor.notify.conditions import KINDS
from monitor.sla.instants import zone
from probes._fields import Duration, Settings, Strings
from probes._pem import CertificateFile


class MailChannel(Relay):
    """Mail over a relay of one's own."""

    to: Strings


class WebhookChannel(Settings):
    """A POST of JSON; with `secret` it is signed (header X-Slaproof-Signature, HMAC-SHA256)."""

    url: str = Field(pattern="^https?://")
    secret: str | None = None
    ca: CertificateFile | None = None


class AppriseChannel(Settings):
    """Any service that Apprise speaks, by its URL."""

    url: str = Field(description="an Apprise URL, such as slack://..., tgram://..., matrixs://...")


class Channel(Settings):
    """One place that messages go to: exactly one of mail, webhook, apprise."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    mail: MailChannel | None = None
    webhook: WebhookChannel | None = None
    apprise: AppriseChannel | None = None
    contracts: Strings = Field(default=(), description="only what concerns these contracts; none named: everything")
    kinds: Strings = Field(default=(), description="only these kinds of message; none named: all")
    escalation: bool = Field(default=False, description="gets nothing but what is escalated to it")

    @model_validator(mode="after")
    def _one_way(self) -> "Channel":
        ways = [way for way in (self.mail, self.webhook, self.apprise) if way is not None]
        if len(ways) != 1:
            raise ValueError(f"the channel {self.name!r} needs exactly one of mail, webhook and apprise")
        for kind in self.kinds:
            if kind not in KINDS:
                raise ValueError(f"{kind!r} is no kind of message; write one of: {', '.join(KINDS)}")
        return self


_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def _hours(value: Any) -> tuple[int, int]:
    match = _TIME.fullmatch(str(value)) if not isinstance(value, tuple) else None
    if isinstance(value, tuple):
        return value
    if match is None:
        raise ValueError(f"{value!r} are no hours; write them as 22:00-07:00")
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end:
        raise ValueError(f"{value!r} is the whole day; leave quiet_hours out, or name a part of the day")
    return begin, end


def _zone(value: Any) -> str:
    zone(str(value))
    return str(value)


class QuietHours(Settings):
    """In these hours only what is critical goes out; the rest waits until they end."""

    hours: Annotated[tuple[int, int], BeforeValidator(_hours, json_schema_input_type=str)]
    timezone: Annotated[str, BeforeValidator(_zone)] = "UTC"

    def ends_at(self, now: int) -> int | None:
        """The end of the quiet hours in which `now` (ms) lies, ms; None outside them."""
        begin, end = self.hours
        local = dt.datetime.fromtimestamp(now // 1000, zone(self.timezone))
        minute = local.hour * 60 + local.minute
        inside = begin <= minute < end if begin < end else minute >= begin or minute < end
        if not inside:
            return None
        wait = (end - minute) % (24 * 60) or 24 * 60
        return now - now % 60_000 + wait * 60_000


class Escalation(Settings):
    """Who is told too, when a condition still stands after a while."""

    after: Duration
    channels: Strings


class Heartbeat(Settings):
    """An outside service that raises the alarm when we fall silent (a dead-man's switch)."""

    url: str = Field(pattern="^https?://")
    interval: Duration = 60_000


class NotifySettings(Section):
    """Messages. Nothing is sent where no channel is named."""

    KEY: ClassVar[str] = "notify"

    channels: tuple[Channel, ...] = ()
    quiet_hours: QuietHours | None = None
    escalation: tuple[Escalation, ...] = ()
    heartbeat: Heartbeat | None = None
    group_wait: Duration = Field(default=10_000, description="how long a message waits for others to go along with")
    give_up_after: Duration = Field(default=259_200_000, description="how long delivery is tried")
    certificate_days: int = Field(default=14, ge=0)
    deadline_days: int = Field(default=7, ge=0, description="how long before a claim's deadline it is told")
    ticket_before: Duration = Field(default=1_800_000, description="how long before a ticket is due it is told")
    clock_offset: Duration = Field(default=500, description="from which offset on the clock is wrong")
    link: str | None = Field(
        default=None, pattern="^https?://", description="where the pages are, as readers reach them"
    )

    @model_validator(mode="after")
    def _known(self) -> "NotifySettings":
        names = [channel.name for channel in self.channels]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two channels are called {name!r}; give each its own name")
        for step in self.escalation:
            for name in step.channels:
                if name not in names:
                    known = ", ".join(names) or "none"
                    raise ValueError(f"escalation names the channel {name!r}, which is not there; there are: {known}")
        return self

    def against(self, contracts: Mapping[str, Sequence[str]]) -> Misnamed:
        """Channels for contracts that are not there."""
        for index, channel in enumerate(self.channels):
            yield from no_contract(channel.contracts, contracts, ("channels", index, "contracts"))
