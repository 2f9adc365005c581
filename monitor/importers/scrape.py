"""Which targets a Prometheus configuration hands to a blackbox_exporter: jobs, static and file targets, relabelling."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitor.errors import Refused
from monitor.importers.blackbox import duration_ms, read_yaml

_STATIC = "static_configs"
_FILES = "file_sd_configs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scraped:
    """One target as the exporter would be asked for it."""

    job: str
    module: str
    target: str
    interval_ms: int
    timeout_ms: int
    labels: Mapping[str, str]


def read_scrapes(path: Path) -> tuple[list[Scraped], list[str]]:
    """The targets, and what could not be taken over, each a sentence. Raises Refused where the file is no such file."""
    data = read_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("scrape_configs"), list):
        raise Refused(f"{path} has no scrape_configs: it is no configuration of Prometheus.")
    general = data.get("global") or {}
    found: list[Scraped] = []
    missing: list[str] = []
    for job in data["scrape_configs"]:
        if not isinstance(job, dict) or not str(job.get("metrics_path", "/metrics")).rstrip("/").endswith("probe"):
            continue
        name = str(job.get("job_name", "?"))
        missing += [
            f"job {name}: {key} has no counterpart; its targets must be written by hand"
            for key in job
            if key.endswith("_sd_configs") and key != _FILES and job[key]
        ]
        try:
            interval = duration_ms(job.get("scrape_interval") or general.get("scrape_interval") or "1m")
            timeout = duration_ms(job.get("scrape_timeout") or general.get("scrape_timeout") or "10s")
        except ValueError as error:
            missing.append(f"job {name}: {error}")
            continue
        for labels in _targets(job, path.parent, name, missing):
            kept = _relabelled(_with_params(labels, job, name), job.get("relabel_configs") or [], name, missing)
            if kept is None:
                continue
            target, module = kept.get("__param_target", ""), kept.get("__param_module", "http_2xx")
            if not target:
                missing.append(f"job {name}: relabelling leaves {labels['__address__']} without a target")
                continue
            shown = {key: value for key, value in kept.items() if not key.startswith("__")}
            found.append(
                Scraped(
                    job=name,
                    module=module,
                    target=target,
                    interval_ms=interval,
                    timeout_ms=min(timeout, interval),
                    labels=shown,
                )
            )
    return found, list(dict.fromkeys(missing))


def _targets(job: Mapping[str, Any], folder: Path, name: str, missing: list[str]) -> Iterator[dict[str, str]]:
    groups = list(job.get(_STATIC) or [])
    for entry in job.get(_FILES) or []:
        for pattern in entry.get("files") or []:
            files = sorted(folder.glob(str(pattern))) if not Path(pattern).is_absolute() else [Path(pattern)]
            if not files or not files[0].is_file():
                missing.append(f"job {name}: there is no file {pattern}")
                continue
            for file in files:
                groups += (json.loads(file.read_text()) if file.suffix == ".json" else read_yaml(file)) or []
    for group in groups:
        labels = {str(key): str(value) for key, value in (group.get("labels") or {}).items()}
        for target in group.get("targets") or []:
            yield {**labels, "__address__": str(target)}


def _with_params(labels: dict[str, str], job: Mapping[str, Any], name: str) -> dict[str, str]:
    params = {f"__param_{key}": str(values[0]) for key, values in (job.get("params") or {}).items() if values}
    return {"job": name, **params, **labels}


def _relabelled(
    labels: dict[str, str], rules: list[Mapping[str, Any]], job: str, missing: list[str]
) -> dict[str, str] | None:
    """The labels after all rules; None where one drops the target."""
    for rule in rules:
        action = str(rule.get("action", "replace")).lower()
        separator = str(rule.get("separator", ";"))
        value = separator.join(labels.get(str(label), "") for label in rule.get("source_labels") or [])
        regex = re.compile(str(rule.get("regex", "(.*)")), re.DOTALL)
        match = regex.fullmatch(value)
        replacement = _go_template(str(rule.get("replacement", "$1")))
        target = str(rule.get("target_label", ""))
        if action == "replace":
            if match is not None:
                label, text = match.expand(_go_template(target)), match.expand(replacement)
                labels = {key: old for key, old in labels.items() if key != label} | ({label: text} if text else {})
        elif action in ("keep", "drop"):
            if (match is None) == (action == "keep"):
                return None
        elif action in ("lowercase", "uppercase"):
            labels = {**labels, target: value.lower() if action == "lowercase" else value.upper()}
        elif action == "labelmap":
            found = {key: regex.fullmatch(key) for key in labels}
            labels = labels | {m.expand(replacement): labels[key] for key, m in found.items() if m is not None}
        elif action in ("labeldrop", "labelkeep"):
            keep = action == "labelkeep"
            labels = {key: text for key, text in labels.items() if (regex.fullmatch(key) is not None) == keep}
        else:
            missing.append(f"job {job}: the relabelling action {action} has no counterpart and is left out")
    return labels


def _go_template(text: str) -> str:
    """``$1`` and ``${name}`` as Python writes them in a replacement."""
    text = text.replace("\\", r"\\")
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda match: rf"\g<{match[1] or match[2]}>", text)
