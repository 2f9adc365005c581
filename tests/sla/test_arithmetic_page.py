"""docs/arithmetic.md is the specification: what it shows must work, and what there is must stand in it."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from monitor.commands.evaluate import evaluate
from monitor.config.terms import load_preset, preset_names, read_targets, read_terms
from monitor.config.yamlfile import Problem, loads
from monitor.judgement.evaluate import COLUMNS
from monitor.sla.contract import PERIODS, QUORUMS, UNITS
from monitor.sla.evaluation import Evaluation
from monitor.sla.reading import CLAUSES, KEYS, read_contract
from monitor.sla.reading_events import KEYS as EVENT_KEYS
from monitor.sla.reading_events import read_events
from monitor.sla.values import MILESTONES, OUTCOMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "arithmetic.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_its_sections_are_those_that_the_code_cites() -> None:
    """Nine sections, numbered; no citation names another."""
    assert [int(number) for number in re.findall(r"^## (\d)\. ", PAGE, re.MULTILINE)] == list(range(1, 10))
    for folder in ("monitor", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            for number in re.findall(r"[Aa]rithmetic §(\d+)", path.read_text()):
                assert 1 <= int(number) <= 9, path


def test_its_examples_are_read() -> None:
    """The contract, the configuration and the events shown are in order."""
    contract_text, config, events = BLOCKS
    contract = read_contract(loads(contract_text, "page").data)
    assert [service.name for service in contract.services] == ["api", "smtp", "status"]
    assert contract.credit is not None
    assert contract.credit.blocks is not None
    known = read_events(loads(events, "page").data)
    assert len(known.maintenance) == len(known.exclusions) == len(known.reports) == len(known.tickets) == 1
    problems: list[Problem] = []
    document = loads(config.replace("file: example.yaml", "preset: mailgun"), "page")
    terms = read_terms(document, Path(), problems)
    targets = read_targets(document, terms, problems)
    assert problems == []
    assert terms["example"].billing_day == 15
    assert targets["example"][0].hold_ms == 180_000


@pytest.mark.parametrize(
    "word",
    [*OUTCOMES, *UNITS, *QUORUMS, *PERIODS, *MILESTONES, *KEYS, *CLAUSES, *EVENT_KEYS, *COLUMNS,
     "elapsed", "elapsed_minus_excluded", "nearest", "total", "each", "next_calendar_month", "after_outage",
     "always_counted"],
)  # fmt: skip
def test_every_word_of_a_contract_stands_in_it(word: str) -> None:
    """No key, outcome or choice is left out of the page."""
    assert re.search(rf"(?<![A-Za-z_]){re.escape(word)}(?![A-Za-z_])", PAGE)


def test_every_option_stands_in_it() -> None:
    """Each option of ``slaproof evaluate``."""
    for parameter in evaluate.params:
        assert isinstance(parameter, click.Option)
        assert any(f"{option}" in PAGE for option in parameter.opts if option.startswith("--")), parameter.name


def test_the_answer_has_the_keys_that_it_names() -> None:
    """The table of §9 and the answer agree."""
    named = set(re.findall(r"`([a-z_]+)`", PAGE.split("The answer is one JSON value")[1]))
    named |= set(re.findall(r"\.([a-z_]+)`", PAGE.split("The answer is one JSON value")[1]))
    contract = load_preset("mailgun")
    from monitor.sla.contract import Terms
    from monitor.sla.evaluate import evaluate as judge
    from monitor.sla.values import Events

    evaluation: Evaluation = judge(Terms(name="m", contract=contract), [], [], Events(), period="2026-10", now=None)
    answer = evaluation.answer()
    keys = {*answer, *answer["period"], *answer["services"][0], *answer["credit"]} - {"service"}
    assert keys <= named


def test_a_preset_names_a_section_beside_every_reading() -> None:
    """The lines of a preset that decide something have their comment beside them."""
    for name in preset_names():
        text = (ROOT / "config" / "contracts" / f"{name}.yaml").read_text()
        assert text.startswith("# ")
        text = re.sub(r"^clauses:\n(  .*\n)+", "", text, flags=re.MULTILINE)
        for key in ("period:", "unit:", "each:", "credit: ", "claim:", "emergency: ", "counts_from:"):
            for line in re.findall(rf"^\s+{key} .*$|^{key} .*$", text, re.MULTILINE):
                assert "#" in line, f"{name}: {line}"
