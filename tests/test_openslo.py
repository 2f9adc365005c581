"""Contracts as OpenSLO documents."""

import json
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def _export(*more: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "monitor", "export", "openslo", "--config", "config/monitor.yaml", *more],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_each_promise_that_is_watched_is_a_service_and_an_slo() -> None:
    """The shipped configuration: eight promises are watched; SparkPost's API has none."""
    found = json.loads(_export("--json"))
    slos = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "SLO"}
    services = {one["metadata"]["name"] for one in found if one["kind"] == "Service"}
    assert set(slos) == services
    assert "sparkpost-api" not in slos
    assert len(slos) == 8
    assert {one["apiVersion"] for one in found} == {"openslo/v1"}
    mailgun = slos["mailgun-api"]
    assert mailgun["objectives"][0]["target"] == 0.9999
    assert mailgun["timeWindow"][0]["calendar"]["startTime"].endswith("-15 00:00:00"), "the billing day"
    assert (
        'target=~"mailgun-api"' in mailgun["indicator"]["spec"]["ratioMetric"]["good"]["metricSource"]["spec"]["query"]
    )
    assert slos["mailpro-api"]["budgetingMethod"] == "Occurrences"
    assert 0.99 < slos["clicksend-sms-gateway"]["objectives"][0]["target"] < 1


def test_the_yaml_says_the_same_as_the_json() -> None:
    """One document after another."""
    assert list(YAML(typ="safe").load_all(_export())) == json.loads(_export("--json"))
