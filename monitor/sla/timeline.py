"""From lines of states to a service's timeline (arithmetic §2, steps 3 and 4). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from monitor.sla.series import DOWN, STATE_NAMES, UNKNOWN, UP, Changes

Interval = tuple[int, int]


def of_locations(lines: Sequence[Changes], quorum: str | int) -> Changes:
    """Give a target's line from its locations' (arithmetic §2, step 3)."""
    if len(lines) == 1 and (isinstance(quorum, str) or quorum == 1):
        return lines[0]
    if quorum == "majority":
        return _combine(lines, lambda up, down: DOWN if 2 * down > up + down else UP if up else UNKNOWN)
    if quorum == "all":
        return _combine(lines, lambda up, down: DOWN if down and not up else UP if up else UNKNOWN)
    needed = 1 if quorum == "any" else int(quorum)
    return _combine(lines, lambda up, down: DOWN if down >= needed else UP if up else UNKNOWN)


def of_targets(lines: Sequence[Changes], down_when: str | None) -> Changes:
    """Give a service's line from its targets' (arithmetic §2, step 4). A target never seen has an empty line."""
    if len(lines) == 1:
        return lines[0]
    if down_when == "all":
        every = len(lines)
        return _combine(lines, lambda up, down: DOWN if down == every and every else UP if up else UNKNOWN)
    return _combine(lines, lambda up, down: DOWN if down else UP if up else UNKNOWN)


def _combine(lines: Sequence[Changes], judge: Callable[[int, int], int]) -> Changes:
    """Sweep over all changes; ``judge`` gives the state from how many lines are up and how many are down."""
    events = sorted((at, index, state) for index, line in enumerate(lines) for at, state in line)
    states = [UNKNOWN] * len(lines)
    counts = [len(lines), 0, 0]
    combined: Changes = []
    now = UNKNOWN
    for position, (at, index, state) in enumerate(events):
        counts[states[index]] -= 1
        counts[state] += 1
        states[index] = state
        if position + 1 < len(events) and events[position + 1][0] == at:
            continue
        after = judge(counts[UP], counts[DOWN])
        if after != now:
            combined.append((at, after))
            now = after
    return combined


def down_spans(changes: Changes) -> list[Interval]:
    """Give the maximal down intervals, whatever the period. A line ends unknown, so each has an end."""
    spans = []
    for index, (at, state) in enumerate(changes):
        if state == DOWN:
            spans.append((at, changes[index + 1][0]))
    return spans


def states_within(changes: Changes, start: int, end: int) -> list[tuple[int, int, str]]:
    """Give the states that fill [start, end), without holes, neighbours differing."""
    pieces: list[tuple[int, int, str]] = []
    at, now = start, UNKNOWN
    for when, state in changes:
        if when >= end:
            break
        if when > at:
            pieces.append((at, when, STATE_NAMES[now]))
            at = when
        now = state
    if at < end:
        pieces.append((at, end, STATE_NAMES[now]))
    return pieces
