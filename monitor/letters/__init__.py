"""Letters that claim a credit: a template for each language, changed by putting another of its name beside it.

A template is written with whole paragraphs on one line: `write` breaks every line at 78 columns, hanging under the text
of its label or item, so that the letter can be pasted into a ticket as it is.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from monitor.durations import say_duration
from monitor.errors import Refused
from monitor.letters.case import Case
from monitor.sla.contract import LANGUAGES
from monitor.sla.evaluation import percent_text, plain
from monitor.sla.instants import utc_datetime

WIDTH = 78
FOLDER = Path(__file__).parent
_COMMA = ("de", "sv", "es")
"""Languages that write a comma in decimals."""
_QUOTES = {"en": ("“", "”"), "de": ("„", "“"), "sv": ("”", "”"), "es": ("«", "»")}
_HEAD = re.compile(r"\s*(?:[-*] |\d+\. |\S[^:]{0,24}:\s{2,}|\S[^:]{0,24}: (?=\s))?")
_BOUND = re.compile(
    r"(?<=\d) (?=(?:[A-Z]{3,4}|min|ms|h|s|d)\b|%)|(?<=\d [dh]) (?=\d)|(?<=\d min) (?=\d)|(?<=\d-\d\d) (?=\d\d:\d\d)"
)
"""The spaces in a length of time, before a unit, and between a date and its time of day: no line ends there."""


class LetterFailed(Refused):
    """The template cannot be used; the text is a sentence."""


def write(
    case: Case, *, language: str | None = None, local: tzinfo | None = None, folder: Path | None = None,
    template: Path | None = None,
) -> str:  # fmt: skip
    """The letter in the contract's language, or in ``language``.

    ``local`` is the zone of the second time beside UTC; None: this machine's. ``template`` is a file, ``folder`` one
    whose templates (``de.txt.j2`` ...) go before those that come with the program. Raises LetterFailed.
    """
    chosen = language or case.contract.language
    if chosen not in LANGUAGES:
        raise LetterFailed(f"There is no letter in “{chosen}”; there are: {', '.join(LANGUAGES)}.")
    places = [one for one in (template.parent if template is not None else folder, FOLDER) if one is not None]
    environment = SandboxedEnvironment(
        loader=FileSystemLoader(places), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False,
    )  # fmt: skip
    environment.filters.update(_filters(chosen, local))
    name = template.name if template is not None else f"{chosen}.txt.j2"
    try:
        text = environment.get_template(name).render(case=case, **_values(case))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise LetterFailed(
            f"The template {name} cannot be used{f' (line {line})' if line else ''}: {error}."
        ) from error
    return tidy(text)


def _values(case: Case) -> dict[str, Any]:
    names = ("contract", "credit", "claim", "clauses", "outages", "left_out", "excused", "customer", "location")
    return {name: getattr(case, name) for name in names} | {
        "period": case.evaluation.period,
        "services": case.evaluation.services,
        "fee": case.fee,
        "currency": case.currency,
        "title": case.contract.title or case.name,
        "made_at": case.made_at - case.made_at % 1000,
        "followed": case.followed,
    }


def _filters(language: str, local: tzinfo | None) -> dict[str, Callable[..., str]]:
    def marked(text: str) -> str:
        return text.replace(".", ",") if language in _COMMA else text

    def utc(at: int) -> str:
        return utc_datetime(at).strftime("%Y-%m-%d %H:%M:%S") + (f".{at % 1000:03d}" if at % 1000 else "") + " UTC"

    def both(at: int) -> str:
        """UTC, and the place's own time where that is another."""
        there = utc_datetime(at).astimezone(local)
        if not there.utcoffset():
            return utc(at)
        day = "" if there.date() == utc_datetime(at).date() else f"{there:%Y-%m-%d} "
        return f"{utc(at)} / {day}{there:%H:%M:%S} {there:%Z}"

    def day(at: int) -> str:
        return utc_datetime(at).astimezone(local).strftime("%Y-%m-%d")

    def length(ms: int | Fraction) -> str:
        return marked(say_duration(int(ms)))

    def share(ratio: Fraction | None) -> str:
        return "-" if ratio is None else marked(percent_text(ratio))

    def percent(number: Decimal) -> str:
        return marked(plain(number)) + " %"

    def money(amount: Decimal) -> str:
        return marked(f"{amount:.2f}")

    def spoken(text: str) -> str:
        """A percentage as the contract writes it: ``0.01%``."""
        return marked(text.replace("%", "").strip()) + " %"

    def ids(row: Any) -> str:
        return ", ".join(f"{name} {value}" for name, value in row.ids.items())

    def quoted(text: str) -> str:
        """In the language's quotation marks."""
        opening, closing = _QUOTES[language]
        return f"{opening}{text}{closing}"

    def clause(text: str) -> str:
        """A clause's number as it is, a heading in quotation marks."""
        return text if text[:1].isdigit() or text[:1] == "§" else quoted(text)

    made = (utc, both, day, length, share, percent, money, spoken, ids, quoted, clause)
    return {function.__name__: function for function in made}


def tidy(text: str) -> str:
    """Break long lines under their label or item, and leave no more than one empty line in a row."""
    lines: list[str] = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if len(line) <= WIDTH:
            lines.append(line)
            continue
        head = _HEAD.match(line)
        hang = " " * (head.end() if head is not None else 0)
        bound = _BOUND.sub("\N{NO-BREAK SPACE}", line)
        broken = textwrap.wrap(bound, WIDTH, subsequent_indent=hang, break_on_hyphens=False, break_long_words=True)
        lines += [part.replace("\N{NO-BREAK SPACE}", " ") for part in broken]
    kept = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    return "\n".join(kept).strip("\n") + "\n"
