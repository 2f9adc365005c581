"""Contracts from files: the ``contracts`` and ``targets`` of a configuration as far as the arithmetic needs them.

What is wrong comes as Problems with file, line and column. What a target probes, and all else in a configuration, is
not looked at here: ``monitor.config.load`` reads that, and calls these functions for the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from monitor.config.yamlfile import Document, Problem, Problems, load
from monitor.sla.contract import Contract, Terms
from monitor.sla.fields import Faulty, Reading, nearest
from monitor.sla.reading import read_contract
from monitor.sla.reading_events import read_events
from monitor.sla.values import Events, TargetSpec

TERMS_KEYS = ("preset", "file", "fee", "billing_day", "plan")
"""The keys of one entry of ``contracts`` that are read here."""


_TARGET_KEYS = ("name", "contract", "service", "interval", "stale_after")
"""The keys of one entry of ``targets`` that are read here."""


def presets_folder() -> Path:
    """Give the folder of the contracts that come with the program."""
    here = Path(__file__).parents[1]
    shipped = here / "_shipped" / "contracts"
    return shipped if shipped.is_dir() else here.parent / "config" / "contracts"


def preset_names() -> list[str]:
    """Give the names of the contracts that come with the program."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def problems_of(document: Document, faults: Faulty, base: tuple[str | int, ...] = ()) -> list[Problem]:
    """Give faults the places of their paths in a document."""
    return sorted(document.problem((*base, *fault.path), fault.message, key=fault.at_key) for fault in faults.faults)


def load_contract(path: Path, *, name: str | None = None) -> Contract:
    """Read a contract's file; ``name`` is what messages call the file. Raises Problems."""
    document = load(path, name=name)
    try:
        return read_contract(document.data)
    except Faulty as faults:
        raise Problems(problems_of(document, faults)) from faults


def load_preset(name: str) -> Contract:
    """Read a contract that comes with the program. Raises Problems, and KeyError where there is none of that name."""
    if name not in preset_names():
        raise KeyError(name)
    return load_contract(presets_folder() / f"{name}.yaml", name=f"contracts/{name}.yaml")


def load_events(path: Path, *, name: str | None = None) -> Events:
    """Read an events file. Raises Problems."""
    return events_of(load(path, name=name))


def events_of(document: Document) -> Events:
    """Give the events of a document. Raises Problems."""
    try:
        return read_events(document.data)
    except Faulty as faults:
        raise Problems(problems_of(document, faults)) from faults


def read_terms(
    document: Document,
    folder: Path,
    problems: list[Problem],
    *,
    only: str | None = None,
    others: Collection[str] = (),
) -> dict[str, Terms]:
    """Read the ``contracts`` of a configuration, with the files and presets that they name.

    ``folder`` is where relative ``file:`` names begin. ``only`` reads one contract and leaves the others alone.
    ``others`` are keys of an entry that somebody else reads. What is wrong is added to ``problems``, and an entry with
    a problem is left out of the answer.
    """
    root = document.data
    section = root.get("contracts") if isinstance(root, dict) else None
    if not isinstance(section, dict) or not section:
        problems.append(document.problem(("contracts",), "needs 'contracts': write contracts: {name: {preset: ...}}"))
        return {}
    found = {}
    for name, entry in section.items():
        if only is not None and name != only:
            continue
        reading = Reading()
        reading.open_mapping({name: entry}, (), what="contracts")
        if reading.faults:
            problems.extend(problems_of(document, Faulty(reading.faults), ("contracts",)))
            continue
        terms = _entry(document, folder, problems, name, entry, others)
        if terms is not None:
            found[name] = terms
    return found


def _entry(
    document: Document, folder: Path, problems: list[Problem], name: str, entry: Any, others: Collection[str]
) -> Terms | None:
    path = ("contracts", name)
    reading = Reading()
    what = f"contract '{name}'"
    values = reading.mapping(entry, (), (*TERMS_KEYS, *others), what=what)
    preset = reading.text(values.get("preset"), ("preset",), what="preset")
    file = reading.text(values.get("file"), ("file",), what="file")
    if (preset is None) == (file is None) and not reading.faults:
        reading.fault((), f"{what} needs either 'preset' or 'file', and not both")
    fee = reading.mapping(values.get("fee"), ("fee",), ("amount", "currency"), what="fee")
    if fee:
        for key in ("amount", "currency"):
            reading.needed(fee, key, ("fee",), what="fee")
    amount = reading.decimal(fee.get("amount"), ("fee", "amount"), what="fee")
    currency = reading.currency(fee.get("currency"), ("fee", "currency"))
    day = reading.count(values.get("billing_day"), ("billing_day",), what="billing_day", most=31)
    plan = reading.text(values.get("plan"), ("plan",), what="plan")
    if preset is not None and preset not in preset_names():
        near = nearest(preset, preset_names())
        hint = f"did you mean '{near}'?" if near else f"there are {', '.join(preset_names())}"
        reading.fault(("preset",), f"there is no preset '{preset}': {hint}")
    problems.extend(problems_of(document, Faulty(reading.faults), path))
    contract = None
    if preset is not None and preset in preset_names():
        contract = _tried(problems, lambda: load_preset(preset))
    elif preset is None and file is not None:
        at = folder / file
        if not at.is_file():
            problems.append(document.problem((*path, "file"), f"there is no file '{at}'"))
        else:
            contract = _tried(problems, lambda: load_contract(at))
    if contract is None or reading.faults:
        return None
    return Terms(
        name=name,
        contract=contract,
        fee=amount,
        currency=currency,
        billing_day=day or contract.billing_day or 1,
        plan=plan,
    )


def _tried(problems: list[Problem], load_it: Any) -> Contract | None:
    try:
        contract = load_it()
    except Problems as raised:
        problems.extend(raised.problems)
        return None
    assert isinstance(contract, Contract)
    return contract


def read_targets(
    document: Document, terms: Mapping[str, Terms], problems: list[Problem], *, only: str | None = None
) -> dict[str, list[TargetSpec]]:
    """Read the ``targets`` of a configuration, by contract; what they probe is not looked at.

    ``only`` leaves the targets of other contracts alone. What is wrong is added to ``problems``.
    """
    root = document.data
    section = root.get("targets") if isinstance(root, dict) else None
    found: dict[str, list[TargetSpec]] = {name: [] for name in terms}
    if section is not None and not isinstance(section, list):
        problems.append(document.problem(("targets",), "targets must be a list: write lines that begin with -"))
        return found
    names: set[str] = set()
    for index, entry in enumerate(section or ()):
        if not isinstance(entry, Mapping):
            problems.append(document.problem(("targets", index), "a target must be a mapping: write {name: ...}"))
            continue
        contract = entry.get("contract")
        if only is not None and contract != only:
            continue
        spec = _target(document, terms, problems, index, entry)
        if spec is None or not isinstance(contract, str):
            continue
        if spec.name in names:
            message = f"target '{spec.name}' stands here a second time: give each its own name"
            problems.append(document.problem(("targets", index, "name"), message))
            continue
        names.add(spec.name)
        found[contract].append(spec)
    for name, own in found.items():
        _several(document, problems, terms[name], own)
    return found


def _target(
    document: Document, terms: Mapping[str, Terms], problems: list[Problem], index: int, entry: Mapping[str, Any]
) -> TargetSpec | None:
    reading = Reading()
    for key in entry:
        # What it probes is read elsewhere, but a mistyped stale_after would change the verdict without a word.
        meant = [] if key in _TARGET_KEYS else get_close_matches(str(key), _TARGET_KEYS, n=1, cutoff=0.8)
        if meant:
            reading.fault((key,), f"a target has no key '{key}': did you mean '{meant[0]}'?", key=True)
    for key in ("name", "contract", "service", "interval"):
        reading.needed(entry, key, (), what="a target")
    name = reading.name(entry.get("name"), ("name",), what="name")
    contract = reading.text(entry.get("contract"), ("contract",), what="contract")
    service = reading.name(entry.get("service"), ("service",), what="service")
    interval = reading.duration(entry.get("interval"), ("interval",), what="interval", positive=True)
    stale = reading.duration(entry.get("stale_after"), ("stale_after",), what="stale_after", positive=True)
    section = document.data.get("contracts") if isinstance(document.data, dict) else None
    declared: Iterable[str] = section if isinstance(section, dict) else ()
    if contract is not None and contract not in declared:
        near = nearest(contract, declared)
        hint = f": did you mean '{near}'?" if near else ""
        reading.fault(("contract",), f"there is no contract '{contract}'{hint}")
    elif contract is not None and contract in terms and service is not None:
        services = [one.name for one in terms[contract].contract.services]
        if service not in services:
            near = nearest(service, services)
            hint = f"did you mean '{near}'?" if near else f"it has {', '.join(services) or 'none'}"
            reading.fault(("service",), f"contract '{contract}' has no service '{service}': {hint}")
    problems.extend(problems_of(document, Faulty(reading.faults), ("targets", index)))
    if (
        reading.faults
        or contract is None
        or contract not in terms
        or name is None
        or service is None
        or interval is None
    ):
        return None
    return TargetSpec(name=name, service=service, interval_ms=interval, stale_after_ms=stale)


def _several(document: Document, problems: list[Problem], terms: Terms, own: list[TargetSpec]) -> None:
    for service in terms.contract.services:
        count = sum(1 for target in own if target.service == service.name)
        if count > 1 and service.down_when is None:
            message = (
                f"service '{service.name}' has {count} targets and its contract does not say when it is down: "
                f"write down_when: any or down_when: all at the service"
            )
            problems.append(document.problem(("contracts", terms.name), message))
