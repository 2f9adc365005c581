"""Reading plain data (mappings, lists and text) field by field, collecting every fault with its path. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

from monitor.durations import parse_duration
from monitor.sla.instants import parse_instant

T = TypeVar("T")
Path = tuple[str | int, ...]

_PERCENT = re.compile(r"(\d{1,9}(?:\.\d{1,18})?)\s*%", re.ASCII)
_DECIMAL = re.compile(r"\d{1,15}(?:\.\d{1,18})?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a path of the data."""

    path: Path
    message: str
    at_key: bool = False
    """True where the key is wrong and not its value."""


class Faulty(ValueError):
    """Everything that is wrong in a piece of data."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{'.'.join(map(str, f.path)) or 'all of it'}: {f.message}" for f in self.faults))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Give the word nearest to one that was mistyped, None where none is near."""
    from difflib import get_close_matches

    folded = {known.lower(): known for known in words}
    found = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def listing(words: Collection[str]) -> str:
    """Write words for a message: ``a, b or c``."""
    ordered = list(words)
    return ordered[0] if len(ordered) == 1 else f"{', '.join(ordered[:-1])} or {ordered[-1]}"


class Reading:
    """Collects faults; each method gives a value, or None (or the default) where there is a fault or nothing."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def fault(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note that something is wrong."""
        self.faults.append(Fault(path, message, key))

    def finish(self) -> None:
        """Raise Faulty if anything was wrong."""
        if self.faults:
            raise Faulty(self.faults)

    def mapping(self, data: Any, path: Path, known: Collection[str], *, what: str) -> dict[str, Any]:
        """Give a mapping's known keys; complain of others, with the nearest right one."""
        if data is None:
            return {}
        if not isinstance(data, Mapping):
            self.fault(path, f"{what} must be a mapping: write keys and values ({', '.join(known)})")
            return {}
        kept = {}
        for key, value in data.items():
            if key in known:
                kept[key] = value
                continue
            near = nearest(str(key), known)
            hint = f"did you mean '{near}'?" if near else f"it may have {listing(known)}"
            self.fault((*path, key), f"{what} has no key '{key}': {hint}", key=True)
        return kept

    def open_mapping(self, data: Any, path: Path, *, what: str) -> dict[str, Any]:
        """Give a mapping whose keys are names that the file chooses."""
        if data is None:
            return {}
        if not isinstance(data, Mapping):
            self.fault(path, f"{what} must be a mapping of names: write name: {{...}}")
            return {}
        for key in data:
            if not _NAME.fullmatch(str(key)):
                self.fault((*path, key), f"'{key}' is not a name: use letters, digits, _, - and .", key=True)
        return dict(data)

    def items(self, data: Any, path: Path, *, what: str) -> list[Any]:
        """Give a list."""
        if data is None:
            return []
        if not isinstance(data, list | tuple):
            self.fault(path, f"{what} must be a list: write [...] or lines that begin with -")
            return []
        return list(data)

    def text(self, data: Any, path: Path, *, what: str) -> str | None:
        """Give text that is not empty; None where nothing is said."""
        if data is None:
            return None
        if not isinstance(data, str):
            self.fault(path, f"{what} must be text, and here is a {'list' if isinstance(data, list) else 'mapping'}")
            return None
        if not data.strip():
            self.fault(path, f"{what} is empty: write it, or take the line away")
            return None
        return data

    def needed(self, values: Mapping[str, Any], key: str, path: Path, *, what: str) -> bool:
        """Tell whether a key is there with a value; complain if not."""
        if values.get(key) is None:
            self.fault(path, f"{what} needs '{key}'")
            return False
        return True

    def name(self, data: Any, path: Path, *, what: str) -> str | None:
        """Give a name: letters, digits, ``_``, ``-``, ``.``, ``@``."""
        text = self.text(data, path, what=what)
        if text is not None and not _NAME.fullmatch(text):
            self.fault(path, f"'{text}' is not a name: use letters, digits, _, - and .")
            return None
        return text

    def names(self, data: Any, path: Path, *, what: str, single: bool = False) -> tuple[str, ...]:
        """Give a list of names; ``single`` also takes one name alone."""
        if single and isinstance(data, str):
            data = [data]
        found = []
        for index, item in enumerate(self.items(data, path, what=what)):
            name = self.name(item, (*path, index), what=what)
            if name is not None:
                found.append(name)
            elif item is None:
                self.fault((*path, index), f"{what} holds an empty entry: take it away")
        return tuple(found)

    def choice(self, data: Any, path: Path, words: Collection[str], default: T, *, what: str) -> str | T:
        """Give one of a few words."""
        text = self.text(data, path, what=what)
        if text is None:
            return default
        if text not in words:
            near = nearest(text, words)
            hint = f"did you mean '{near}'?" if near else f"write {listing(words)}"
            self.fault(path, f"{what} cannot be '{text}': {hint}")
            return default
        return text

    def flag(self, data: Any, path: Path, default: bool, *, what: str) -> bool:
        """Give true or false."""
        return self.choice(data, path, ("true", "false"), "true" if default else "false", what=what) == "true"

    def percent(self, data: Any, path: Path, *, what: str, most: int | None = 100) -> Decimal | None:
        """Give a percentage as a Decimal, per cent."""
        text = self.text(data, path, what=what)
        if text is None:
            return None
        match = _PERCENT.fullmatch(text.strip())
        if match is None:
            hint = f"{text.strip()}%" if _DECIMAL.fullmatch(text.strip()) else "99.9%"
            self.fault(path, f"{what} '{text}' is not a percentage: write it like {hint}")
            return None
        value = Decimal(match[1])
        if most is not None and value > most:
            self.fault(path, f"{what} '{text}' is more than {most}%")
            return None
        return value

    def share(self, data: Any, path: Path, *, what: str) -> Fraction | None:
        """Give a percentage as a share of 1."""
        value = self.percent(data, path, what=what)
        return None if value is None else Fraction(value) / 100

    def decimal(self, data: Any, path: Path, *, what: str) -> Decimal | None:
        """Give a decimal that is not negative."""
        text = self.text(data, path, what=what)
        if text is None:
            return None
        if not _DECIMAL.fullmatch(text):
            self.fault(path, f"{what} '{text}' is not an amount: write it like 89.90")
            return None
        return Decimal(text)

    def currency(self, data: Any, path: Path) -> str | None:
        """Give a currency's code."""
        text = self.text(data, path, what="currency")
        if text is not None and not re.fullmatch(r"[A-Z]{3}", text):
            self.fault(path, f"'{text}' is not a currency: write its code of three capitals, like EUR")
            return None
        return text

    def count(self, data: Any, path: Path, *, what: str, least: int = 1, most: int = 1_000_000) -> int | None:
        """Give a whole number."""
        text = self.text(data, path, what=what)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,12}", text) or not least <= int(text) <= most:
            self.fault(path, f"{what} '{text}' is not a whole number from {least} to {most}")
            return None
        return int(text)

    def duration(self, data: Any, path: Path, *, what: str, positive: bool = False) -> int | None:
        """Give a length of time in milliseconds."""
        value = self._parsed(data, path, parse_duration, what=what)
        if positive and value == 0:
            self.fault(path, f"{what} must be longer than nothing")
            return None
        return value

    def instant(self, data: Any, path: Path, *, what: str) -> int | None:
        """Give an instant in milliseconds."""
        return self._parsed(data, path, parse_instant, what=what)

    def _parsed(self, data: Any, path: Path, parse: Callable[[str], int], *, what: str) -> int | None:
        text = self.text(data, path, what=what)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self.fault(path, str(error))
            return None
