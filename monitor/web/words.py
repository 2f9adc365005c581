"""Texts, numbers and times in the reader's language.

1. Every text that a page shows stands in ``lang/<code>.json`` under the same key in every language.
2. A percentage is cut, never rounded up; so is what is left of a budget. What was used is never cut below itself.
3. Times are UTC and written the same way everywhere; the browser may show its own zone beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files

from monitor.sla.evaluation import cut
from monitor.times import iso

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch", "es": "Español", "sv": "Svenska"}
"""Codes and what each language calls itself."""

NBSP = "\N{NO-BREAK SPACE}"
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


@cache
def catalogue(code: str) -> Mapping[str, str]:
    """Every text of a language, by key."""
    text = files("monitor.web").joinpath("lang", f"{code}.json").read_text("utf-8")
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def choose_language(wanted: str | None, accept: str | None, default: str = "auto") -> str:
    """The language asked for by name, else the one of ``Accept-Language`` that we have with the highest weight."""
    if wanted is not None and wanted in LANGUAGES:
        return wanted
    if default in LANGUAGES:
        return default
    best, weight = "en", 0.0
    for part in (accept or "")[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        code = tag.split("-", 1)[0].lower()
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if code in LANGUAGES and quality > weight:
            best, weight = code, quality
    return best


@dataclass(frozen=True, slots=True)
class Words:
    """Writes for readers of one language."""

    code: str

    def t(self, key: str, /, **values: object) -> str:
        """The text of a key with its ``{placeholders}`` filled in; KeyError if there is none."""
        text = catalogue(self.code)[key]
        return text.format(**values) if values else text

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in catalogue(self.code)

    def name(self, prefix: str, value: str) -> str:
        """The text of a word that the arithmetic uses; words that are not ours stand as they are."""
        return catalogue(self.code).get(f"{prefix}.{value}", value.replace("_", " "))

    def n(self, key: str, count: int, /, **values: object) -> str:
        """The text for one or for several: keys ``….one`` and ``….other``."""
        form = "one" if count == 1 else "other"
        return self.t(f"{key}.{form}", n=self.number(count), **values)

    def number(self, value: int | Decimal | str) -> str:
        """A number with the language's decimal sign; groups of three from ten thousand on."""
        text = value if isinstance(value, str) else format(value, "f") if isinstance(value, Decimal) else str(value)
        whole, dot, rest = text.partition(".")
        sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        if len(digits) > 4 and digits.isdecimal():
            head = len(digits) % 3 or 3
            groups = [digits[:head], *(digits[i : i + 3] for i in range(head, len(digits), 3))]
            digits = "\N{NARROW NO-BREAK SPACE}".join(groups)
        sign = sign.replace("-", "\N{MINUS SIGN}")
        return sign + digits + (("." if self.code == "en" else ",") + rest if dot else "")

    def percent(self, ratio: Fraction | None, digits: int = 4) -> str:
        """A ratio as a percentage, cut; 100 only where it is exactly one."""
        if ratio is None:
            return "–"
        if ratio == 1:
            return f"100{NBSP}%"
        return self.number(cut(ratio * 100, digits)) + f"{NBSP}%"

    def plain_percent(self, text: str | Decimal | None) -> str:
        """A percentage as the contract writes it, in the language's spelling."""
        if text is None:
            return "–"
        written = str(text) if isinstance(text, str) else format(text, "f")
        if "." in written and not isinstance(text, str):
            written = written.rstrip("0").rstrip(".")
        return self.number(written.replace("%", "").strip()) + f"{NBSP}%"

    def span(self, ms: int | Fraction, *, parts: int = 2) -> str:
        """A length of time by its two largest units, cut: ``4 min 19 s``. Below a second, in milliseconds."""
        whole = int(ms)
        if whole < 0:
            return "\N{MINUS SIGN}" + self.span(-whole, parts=parts)
        if 0 < whole < 1000:
            return f"{whole}{NBSP}ms"
        seconds = whole // 1000
        found: list[str] = []
        for size, unit in _UNITS:
            count, seconds = divmod(seconds, size)
            if count or (found and unit != "s"):
                found.append(f"{count}{NBSP}{unit}")
            if len(found) == parts:
                break
        while len(found) > 1 and found[-1].startswith(f"0{NBSP}"):
            found.pop()
        return " ".join(found) or f"0{NBSP}s"

    def exact(self, ms: int) -> str:
        """A length of time to the millisecond: ``6 min 12.250 s``."""
        sign, ms = ("\N{MINUS SIGN}", -ms) if ms < 0 else ("", ms)
        minutes, rest = divmod(ms, 60_000)
        seconds, thousandth = divmod(rest, 1000)
        tail = self.number(f"{seconds}.{thousandth:03d}" if thousandth else str(seconds)) + f"{NBSP}s"
        if not minutes:
            return sign + tail
        head = self.span(minutes * 60_000, parts=4)
        return sign + head if not rest else f"{sign}{head} {tail}"

    def milliseconds(self, value: float) -> str:
        """A latency: whole milliseconds from ten on, with one decimal below."""
        return (self.number(f"{value:.0f}") if value >= 10 else self.number(f"{value:.1f}")) + f"{NBSP}ms"

    def bytes(self, count: int) -> str:
        """A size in kB or MB."""
        if count < 1_000_000:
            return self.number(f"{count / 1000:.1f}") + f"{NBSP}kB"
        return self.number(f"{count / 1_000_000:.1f}") + f"{NBSP}MB"

    def money(self, amount: Decimal | None, currency: str | None) -> str:
        """An amount with its currency's code."""
        return "–" if amount is None else f"{self.number(amount)}{NBSP}{currency}"

    def month(self, period: str) -> str:
        """``2026-10`` as ``October 2026``."""
        year, month = period.split("-")
        return f"{self.t(f'month.{int(month)}')} {year}"

    def weekday(self, day: int) -> str:
        """Monday is 0; two or three letters."""
        return self.t(f"weekday.{day}")


def utc(ms: int) -> str:
    """An instant as people read it, to the second: ``2026-10-12 03:15:00``."""
    return iso(ms)[:19].replace("T", " ")
