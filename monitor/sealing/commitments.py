"""What a heartbeat commits to of a group, and what may stand beside it in the seal of the day.

1. A heartbeat commits to everything with a time before its horizon, so the day's seal may hold no more of that time.
2. Only a clock that was set back enters something later with such a time, and only an event: nothing is probed until
   the repeated time is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from monitor.proof.canonical import parse_canonical, sha256
from monitor.proof.ledger import HeartbeatGroup, day_start, group_salt, heartbeat_group, leaf
from monitor.proof.segment import DAY_MS
from monitor.sealing.contents import GroupDay
from monitor.store import Reader
from monitor.store.ledger import LedgerHeartbeat


def event_id(content: bytes) -> str:
    """The id of an event, from its content."""
    return str(parse_canonical(content)["id"])


def so_far(group: GroupDay, horizon: int) -> HeartbeatGroup:
    """What a heartbeat with this horizon says of a group."""
    return heartbeat_group(
        group.name,
        group.secret,
        horizon=horizon,
        segments=sorted(group.segments, key=lambda s: (s.target, s.location)),
        events=group.events,
    )


def in_keeping(reader: Reader, day: str, groups: list[GroupDay], beats: Sequence[LedgerHeartbeat]) -> list[GroupDay]:
    """The groups without the events that were entered for a heartbeat's time after it was made."""
    start = day_start(day)
    events = reader.events(entered_from=start, entered_until=start + DAY_MS)
    if not any(one.kind == "clock_step" and one.data.get("reason") == "clock_stepped_back" for one in events):
        return groups
    entry = {event.id: number for number, event in enumerate(events)}
    return [_in_keeping(group, day, beats, entry) for group in groups]


def _in_keeping(group: GroupDay, day: str, beats: Sequence[LedgerHeartbeat], entry: Mapping[str, int]) -> GroupDay:
    for beat in beats:
        place = beat.first.get(group.name)
        if place is None:
            continue
        horizon = parse_canonical(beat.entry)["horizon"]
        newest_first = sorted(
            (one for one in group.events if one[0] < horizon), key=lambda one: entry[event_id(one[1])], reverse=True
        )
        for count in range(len(newest_first) + 1):
            late = newest_first[:count]
            kept = replace(group, events=tuple(one for one in group.events if one not in late))
            content = so_far(kept, horizon).content(day, beat.at)
            if leaf(group_salt(group.secret, day), sha256(content)) == beat.leaves[place]:
                group = kept
                break
    return group
