"""The configuration in force, as it is recorded: what is watched on which grid, and under which contracts."""

from __future__ import annotations

from typing import Any

from monitor.config import Config
from monitor.slots import offset_ms


def config_data(config: Config) -> dict[str, Any]:
    """The data of a ``config`` event, JSON-able and without secrets.

    ``targets``: name to kind, contract, service, interval_ms, offset_ms (the grid of `monitor.slots`), stale_after_ms,
    timeout_ms and settings. ``contracts``: name to the contract's text and its hash, fee, currency, billing_day, plan.
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
