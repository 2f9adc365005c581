"""What stands in deploy/: rules, routes and dashboards, held by the tools that read them."""

import json
import re
from pathlib import Path

import pytest

from tests.servers.prometheus import run_tool

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus"
DASHBOARDS = sorted((DEPLOY / "grafana").glob("*.json"))
NAME = re.compile(r"\b(?:slaproof|probe|process)_[a-z0-9_]+\b")


def queries(dashboard: Path) -> list[str]:
    """Every query of a dashboard, its variables filled in with everything."""
    found = []
    for panel in json.loads(dashboard.read_text())["panels"]:
        found += [target["expr"] for target in panel["targets"]]
    return [re.sub(r"\$(contract|service|target)\b", ".*", query) for query in found]


def test_the_rules_hold_what_they_promise() -> None:
    """promtool finds no fault in the rules, their tests pass, and the configuration can be loaded."""
    for arguments in (
        ("check", "rules", RULES / "recording.rules.yml", RULES / "alerting.rules.yml"),
        ("check", "config", RULES / "prometheus.yml"),
        ("test", "rules", RULES / "rules.test.yml"),
    ):
        done = run_tool("promtool", *map(str, arguments))
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_routes_can_be_loaded() -> None:
    """amtool finds no fault; what is critical goes to the pager."""
    config = DEPLOY / "alertmanager" / "alertmanager.yml"
    done = run_tool("amtool", "check-config", config)
    assert done.returncode == 0, done.stdout + done.stderr
    routed = run_tool("amtool", "config", "routes", "test", f"--config.file={config}", "severity=critical")
    assert routed.stdout.strip() == "pager"


@pytest.mark.parametrize(
    "text",
    [(RULES / "alerting.rules.yml").read_text(), (RULES / "recording.rules.yml").read_text()]
    + ["\n".join(queries(one)) for one in DASHBOARDS],
    ids=["alerts", "records", *(one.stem for one in DASHBOARDS)],
)
def test_only_metrics_that_are_documented_are_asked_for(text: str) -> None:
    """A renamed metric breaks this test before it breaks a dashboard."""
    documented = set(NAME.findall((ROOT / "docs" / "metrics.md").read_text())) | {"process_cpu_seconds_total"}
    asked = {name.removesuffix("_bucket") for name in NAME.findall(text)} - {"slaproof_availability_margin"}
    # Names of recorded series hold a metric's name between colons: slaproof_probes is slaproof_probes_total's.
    prefixes = {name.removesuffix("_total") for name in documented}
    assert {name for name in asked if not name.startswith("process_")} <= documented | prefixes


def test_every_dashboard_has_its_own_name_and_panels() -> None:
    """Three dashboards, each panel with an id of its own and a place of its own."""
    assert [one.stem for one in DASHBOARDS] == ["monitor", "overview", "service"]
    for one in DASHBOARDS:
        panels = json.loads(one.read_text())["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        cells = [
            (x, y)
            for p in panels
            for x in range(p["gridPos"]["x"], p["gridPos"]["x"] + p["gridPos"]["w"])
            for y in range(p["gridPos"]["y"], p["gridPos"]["y"] + p["gridPos"]["h"])
        ]
        assert len(set(cells)) == len(cells), f"panels of {one.stem} overlap"
