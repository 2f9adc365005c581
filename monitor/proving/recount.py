"""A bundle's evaluation counted anew: the arithmetic applied to what ``monitor.proof`` has read. Pure.

``monitor.proof.verify`` is given ``recount`` by whoever verifies, and compares the answer with the one in the bundle.
"""

from __future__ import annotations

from array import array
from decimal import Decimal
from typing import Any

from monitor.config.yamlfile import Problems, loads
from monitor.proof.container import BundleError
from monitor.proof.keyring import parse_rfc3339
from monitor.proof.proven import Proven
from monitor.proof.segment import Rows
from monitor.proof.verify import Recomputed
from monitor.proving.inputs import events_of, inputs_of, targets_of
from monitor.proving.pages import dress_of, statement, words_of
from monitor.sla.contract import Terms
from monitor.sla.evaluate import evaluate
from monitor.sla.evaluation import Evaluation
from monitor.sla.fields import Faulty
from monitor.sla.period import PeriodError
from monitor.sla.reading import read_contract
from monitor.sla.reading_events import read_events
from monitor.sla.series import SCHEDULED, Observations, Series
from monitor.sla.values import OUTCOME_CODES
from monitor.version import program


def recount(proven: Proven) -> Recomputed:
    """The answer that the bundle's observations give. BundleError, with the place, where they give none."""
    judged = evaluation_of(proven)
    contents = list(proven.earlier) + [
        content
        for entry in proven.entries
        for group in entry.groups.values()
        if group.name == proven.contract
        for content in group.events
    ]
    return Recomputed(
        answer=judged.answer(),
        inputs=inputs_of(events_of(contents), proven.contract),
        statement=None if proven.statement is None else _pages(proven, judged),
        program=program(),
    )


def _pages(proven: Proven, judged: Evaluation) -> Any:
    """The words of the pages, made anew in the dress that the bundle names."""
    try:
        dress = dress_of(proven.statement)
        return statement(dress, words_of(proven, judged, dress))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError("statement.json", f"the pages cannot be made anew: {error!r}") from error


def evaluation_of(proven: Proven) -> Evaluation:
    """The whole evaluation of a bundle's observations. BundleError, with the place, where there is none."""
    config = proven.config()
    terms = terms_of(config)
    targets = targets_of(config)
    now = proven.about["now"]
    try:
        events = read_events(proven.inputs)
    except Faulty as faults:
        raise BundleError("inputs.json.z", str(faults)) from faults
    try:
        return evaluate(
            terms,
            targets,
            observations_of(proven),
            events,
            period=proven.about["period"]["name"],
            now=None if now is None else parse_rfc3339(now),
        )
    except (PeriodError, ValueError) as error:
        raise BundleError("about.json", str(error)) from error


def terms_of(config: Any) -> Terms:
    """The terms of a configuration as it stands in a bundle. BundleError where its text says something else."""
    try:
        text = loads(config["text"], "contract").data
        if text != config["terms"]:
            raise BundleError("contract", "the contract's text and its terms do not say the same")
        contract = read_contract(text)  # says the same, with the services in the contract's order
    except (Problems, Faulty) as problems:
        raise BundleError("contract", str(problems)) from problems
    fee = config["fee"]
    return Terms(
        name=config["contract"],
        contract=contract,
        fee=None if fee is None else Decimal(fee["amount"]),
        currency=None if fee is None else fee["currency"],
        billing_day=config["billing_day"],
        plan=config["plan"],
    )


def observations_of(proven: Proven) -> Observations:
    """All observations, as the arithmetic takes them."""
    found = Observations()
    for series, rows in proven.observations():
        found.series[series.target, series.location] = _columns(series.target, series.location, rows)
    return found


def _columns(target: str, location: str, rows: Rows) -> Series:
    series = Series(target, location)
    series.at = array("q", rows.at)
    try:
        codes = [OUTCOME_CODES[kind.outcome] | (SCHEDULED if kind.scheduled else 0) for kind in rows.kinds]
    except KeyError as error:
        raise BundleError(f"{target} from {location}", f"an outcome that there is not: {error}") from error
    series.code = bytearray(map(codes.__getitem__, rows.kind))
    return series
