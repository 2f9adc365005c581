"""What can be watched: each public module of this package is a kind of probe.

A kind is one file with a ``Target`` (its settings, a strict pydantic model) and ``async def probe(target, trace)``.
It is found by its presence: nothing registers it. ``ls probes`` is the list.

This package never imports ``monitor``: a probe cannot know the store, the contract or its own importance.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:  # dear imports: whoever only reads a length of time wants none of them
    from probes._fields import ProbeTarget
    from probes._trace import Trace


class Kind(Protocol):
    """A kind of probe, as its module offers it.

    ``Target`` holds the settings under the kind's key in the configuration; ``probe`` asks the service once and
    returns when it did what was asked, and raises ``probes._outcome.Failed`` when it did not.
    """

    __name__: str
    __doc__: str | None
    Target: type[ProbeTarget]
    probe: Callable[[Any, Trace], Awaitable[None]]


@cache
def kinds() -> tuple[str, ...]:
    """The names of all kinds, sorted: the public modules of this package."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


@cache
def load(kind: str) -> Kind:
    """The kind of that name. Raises KeyError, naming the kinds there are, if there is no such module."""
    if kind not in kinds():
        raise KeyError(f"no kind of probe is called {kind!r}; there are: {', '.join(kinds())}")
    return cast(Kind, importlib.import_module(f"{__name__}.{kind}"))
