"""Every language has every text, with the same placeholders, and every word of the arithmetic and of the events."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.judgement.events import KINDS
from monitor.judgement.gap_text import GAPS
from monitor.sla.evaluation import WHYS
from monitor.sla.values import MILESTONES, OUTCOMES
from monitor.web.words import LANGUAGES, Words, catalogue, choose_language

WEB = Path(__file__).parents[2] / "monitor" / "web"
HOLES = re.compile(r"\{(\w+)\}")
SAME = {"nav.monitor", "foot.made", "times.utc", "phase.tls"}
"""Texts that may be alike in every language."""


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_language_is_complete(code: str) -> None:
    """The same keys as English, none empty, the same placeholders; plurals have both forms."""
    english, own = catalogue("en"), catalogue(code)
    assert own.keys() == english.keys()
    for key, text in own.items():
        assert text.strip(), key
        assert set(HOLES.findall(text)) == set(HOLES.findall(english[key])), key
        if key.endswith(".one"):
            assert key.removesuffix("one") + "other" in own


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_a_language_is_translated(code: str) -> None:
    """Where a text is as in English, it is a short word that both share."""
    english, own = catalogue("en"), catalogue(code)
    long = [key for key, text in own.items() if text == english[key] and len(text.split()) > 2 and key not in SAME]
    assert long == []
    assert sum(own[key] == english[key] for key in own) < len(own) // 12


def test_every_word_that_values_use_has_a_text() -> None:
    """Outcomes, milestones, kinds of events, reasons of gaps, and why a window counts or not."""
    english = catalogue("en")
    wanted = [f"outcome.{name}" for name in OUTCOMES] + [f"milestone.{name}" for name in MILESTONES]
    wanted += [f"event.{name}" for name in KINDS] + [f"why.{name}" for name in WHYS]
    wanted += [f"fault.{name}" for name in OUTCOMES.values() if name]
    wanted += [f"gap.{reason}" for reason in GAPS["en"]]
    assert [key for key in wanted if key not in english] == []


def test_every_text_that_a_template_names_is_there_and_none_is_idle() -> None:
    """A key is either used as it stands or built from a prefix that is used."""
    sources = [path.read_text() for path in [*WEB.glob("templates/*"), *WEB.glob("*.py")]]
    text = "\n".join(sources)
    plain = set(re.findall(r"""\bt\(\s*["']([a-z_]+\.[a-z_0-9.]+)["']""", text))
    plural = set(re.findall(r"""\b(?:tn|\.n|w\.n)\(\s*["']([a-z_0-9.]+)["']""", text))
    english = catalogue("en")
    plain, begun = {key for key in plain if key[-1] not in "._"}, {key for key in plain if key[-1] in "._"}
    assert [key for key in plain if key not in english] == []
    assert [key for key in plural if f"{key}.one" not in english] == []
    built = set(re.findall(r"""["']([a-z_]+\.[a-z_]*)["']\s*~""", text))
    built |= {f"{m}." for m in re.findall(r"""(?:w\.|\.)name\(\s*["']([a-z_]+)["']""", text)}
    built |= set(re.findall(r"""f["']([a-z_]+\.[a-z_]*)\{""", text))
    built |= begun
    idle = [
        key
        for key in english
        if key not in plain and key.rsplit(".", 1)[0] not in plural and not any(key.startswith(p) for p in built)
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("cookie", "accept", "default", "chosen"),
    [
        ("sv", "de", "auto", "sv"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "auto", "de"),
        (None, "fr, es;q=0.4, sv;q=0.7", "auto", "sv"),
        (None, "fr", "auto", "en"),
        (None, None, "auto", "en"),
        ("xx", "de", "es", "es"),
        (None, "de;q=broken, sv", "auto", "sv"),
    ],
)
def test_the_language_is_chosen(cookie: str | None, accept: str | None, default: str, chosen: str) -> None:
    """The reader's choice, then the configuration's, then the browser's by weight."""
    assert choose_language(cookie, accept, default) == chosen


def test_a_month_has_its_name() -> None:
    """Spanish puts a word between month and year."""
    assert Words("es").month("2026-10") == "octubre de 2026"
    assert Words("de").month("2026-03") == "März 2026"
