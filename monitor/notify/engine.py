"""From conditions to messages: what is new, what has ended, what must be told to somebody else too. Pure.

Rules:
1. A condition is told once when it begins and once when it ends; what is remembered survives a restart.
2. What ends before it was delivered in quiet hours is told all the same, as one message that says both.
3. An escalation tells further channels when a condition still stands after its time, once each.
4. Nothing that a restart finds still standing is told again, and what ended meanwhile is told as ended.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monitor.notify.conditions import OF_THE_MONITOR, Condition, Severity
from monitor.notify.settings import Channel, NotifySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A condition that was told."""

    condition: Condition
    told_at: int
    escalated: int = 0
    """How many steps of the escalation were taken."""

    def as_json(self) -> dict[str, Any]:
        """For the memory that survives a restart."""
        return {
            "condition": self.condition.as_json(),
            "told_at": self.told_at,
            "escalated": self.escalated,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Known":
        """What `as_json` gave."""
        return cls(condition=Condition(**value["condition"]), told_at=value["told_at"], escalated=value["escalated"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One message for one channel."""

    key: str
    """Unique: the same message is never queued twice."""
    channel: str
    change: str
    """`began`, `ended`, `escalated` or `test`."""
    condition: Condition
    at: int
    not_before: int


def step(
    settings: NotifySettings,
    known: Mapping[str, Known],
    conditions: Iterable[Condition],
    now: int,
    *,
    unsure: Sequence[str] = (),
    over: Mapping[str, Condition] | None = None,
) -> tuple[list[Telling], dict[str, Known]]:
    """What is to be told now, and what is known afterwards.

    `unsure` are prefixes of keys whose conditions cannot be seen at the moment: their absence ends nothing. `over`
    has, by key, what is now known of conditions that are gone; of others it is told as it was known last.
    """
    tellings: list[Telling] = []
    after: dict[str, Known] = {}
    for condition in conditions:
        before = known.get(condition.key)
        if before is None:
            tellings += _tell(settings, condition, "began", now)
            after[condition.key] = Known(condition=condition, told_at=now)
        else:
            kept = replace(before, condition=condition)
            escalated = _escalate(settings, kept, now)
            tellings += escalated
            after[condition.key] = replace(kept, escalated=_due_steps(settings, kept, now)) if escalated else kept
    for key, gone in known.items():
        if key in after:
            continue
        if any(key.startswith(prefix) for prefix in unsure):
            after[key] = gone
        elif gone.condition.has_end:
            tellings += _tell(settings, (over or {}).get(key, gone.condition), "ended", now)
    return tellings, after


def _tell(settings: NotifySettings, condition: Condition, change: str, now: int) -> list[Telling]:
    return [
        _telling(settings, channel.name, condition, change, now)
        for channel in settings.channels
        if not channel.escalation and wants(channel, condition)
    ]


def wants(channel: Channel, condition: Condition) -> bool:
    """Whether a channel is told of this condition at all."""
    if channel.contracts and condition.contract not in channel.contracts and condition.kind not in OF_THE_MONITOR:
        return False
    return not channel.kinds or condition.kind in channel.kinds


def _telling(
    settings: NotifySettings, channel: str, condition: Condition, change: str, now: int, *, part: str = ""
) -> Telling:
    quiet = settings.quiet_hours.ends_at(now) if settings.quiet_hours else None
    at_once = quiet is None or condition.severity is Severity.CRITICAL
    return Telling(
        key=f"{channel}/{change}{part}/{condition.key}",
        channel=channel,
        change=change,
        condition=condition,
        at=now,
        not_before=now + settings.group_wait if at_once or quiet is None else quiet,
    )


def _due_steps(settings: NotifySettings, known: Known, now: int) -> int:
    return sum(1 for step in settings.escalation if now - known.told_at >= step.after)


def _escalate(settings: NotifySettings, known: Known, now: int) -> list[Telling]:
    if not known.condition.has_end or known.condition.severity is not Severity.CRITICAL:
        return []
    by_time = sorted(settings.escalation, key=lambda step: step.after)
    due = list(enumerate(by_time, 1))[known.escalated : _due_steps(settings, known, now)]
    return [
        _telling(settings, channel, known.condition, "escalated", now, part=f"-{number}")
        for number, step in due
        for channel in step.channels
    ]
