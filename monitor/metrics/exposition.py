"""Prometheus' text format, written by hand where there are many samples. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction

Number = int | float | str
Sample = tuple[str, Number]
"""The labels as text (`labels`), and the value."""


def labels(**pairs: str) -> str:
    """``{name="value",...}``, escaped as the format wants it."""
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def ratio(value: Fraction) -> str:
    """A ratio as decimals, cut at the fourteenth and never rounded up, so that no graph reads 1 where it was less."""
    scaled = value.numerator * 10**14 // value.denominator
    text = str(Decimal(scaled).scaleb(-14).normalize())
    return format(Decimal(text), "f")


def seconds(ms: float) -> str:
    """Milliseconds as seconds, to the microsecond."""
    return repr(round(ms / 1000, 6)) if ms % 1000 else str(int(ms) // 1000)


class Page:
    """Families of one type each, in the order in which they were first named."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str, list[str]]] = {}

    def add(self, name: str, kind: str, help_text: str, samples: Iterable[Sample]) -> None:
        """Samples of a family; a family without any is left out: what is not known is absent."""
        lines = [f"{name}{label} {value}" for label, value in samples]
        if not lines:
            return
        known = self._families.get(name)
        if known is None:
            self._families[name] = (kind, help_text, lines)
        else:
            known[2].extend(lines)

    def gauge(self, name: str, help_text: str, samples: Iterable[Sample] | Number | None) -> None:
        """A gauge, of many samples or of one without labels; None: absent."""
        if samples is None:
            return
        self.add(name, "gauge", help_text, [("", samples)] if isinstance(samples, int | float | str) else samples)

    def text(self) -> str:
        """The whole page."""
        parts = []
        for name, (kind, help_text, lines) in self._families.items():
            told = help_text.replace("\\", "\\\\").replace("\n", "\\n")
            parts.append(f"# HELP {name} {told}\n# TYPE {name} {kind}\n" + "\n".join(lines) + "\n")
        return "".join(parts)


def by_key(values: Mapping[str, Number]) -> list[Sample]:
    """Samples of labels that are text already."""
    return list(values.items())
