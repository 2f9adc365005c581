"""The configuration in force, as it is recorded: what is watched on which grid, and under which contracts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.config.load import Config
from monitor.probing.slots import offset_ms


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two configurations in force are the same, whenever their targets came."""
    return _undated(one) == _undated(other)


def _undated(data: Mapping[str, Any]) -> dict[str, Any]:
    targets = {
        name: {key: value for key, value in known.items() if key != "since"}
        for name, known in data.get("targets", {}).items()
    }
    return {**data, "targets": targets}


def dated(data: Mapping[str, Any], since: Mapping[str, int]) -> dict[str, Any]:
    """The data with the slot from which each of these targets, which are new, is expected to be probed."""
    targets = {name: {**known, **_since(since, name)} for name, known in data["targets"].items()}
    return {**data, "targets": targets}


def _since(since: Mapping[str, int], name: str) -> dict[str, int]:
    return {"since": since[name]} if name in since else {}


def config_data(config: Config) -> dict[str, Any]:
    """The data of a ``config`` event, JSON-able and without secrets.

    ``targets``: name to kind, contract, service, interval_ms, offset_ms (the grid of `monitor.probing.slots`),
    stale_after_ms, timeout_ms and settings. ``contracts``: name to the contract's text and
    its hash, fee, currency, billing_day, plan.
    """
    redact = config.redactor.deep
    targets = {
        target.name: {
            "kind": target.kind,
            "contract": target.contract,
            "service": target.service,
            "interval_ms": target.interval_ms,
            "offset_ms": offset_ms(target.name, target.interval_ms),
            "timeout_ms": target.timeout_ms,
            "stale_after_ms": target.stale_after_ms,
            "settings": redact(target.probe.model_dump(mode="json", exclude_defaults=True, by_alias=True)),
        }
        for target in config.targets
    }
    contracts = {
        name: {
            "hash": contract.hash,
            "text": contract.text,
            "fee": str(contract.terms.fee) if contract.terms.fee is not None else None,
            "currency": contract.terms.currency,
            "billing_day": contract.terms.billing_day,
            "plan": contract.terms.plan,
        }
        for name, contract in config.contracts.items()
    }
    return {
        "location": config.location,
        "reference_hosts": list(config.reference_hosts),
        "targets": targets,
        "contracts": contracts,
    }
