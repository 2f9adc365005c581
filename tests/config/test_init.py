"""`slaproof init` writes what `slaproof check` understands."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import cli
from monitor.config.load import load
from monitor.config.starter import starter
from monitor.config.terms import preset_names


@pytest.mark.parametrize("providers", [(), *combinations(preset_names(), 1), tuple(preset_names())])
def test_what_it_writes_is_understood(tmp_path: Path, providers: tuple[str, ...]) -> None:
    """Each provider alone, all together and none: no problem but the secrets that are still to come."""
    path = tmp_path / "slaproof.yaml"
    path.write_text(starter(providers, location="here"))
    config = load(path, environment={}, secrets="optional")
    assert config.location == "here"
    assert set(config.contracts) == set(providers)
    assert config.targets or providers
    for target in config.targets:
        assert target.contract in providers or not target.contract


def test_it_asks_nothing_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers by name, a file that is not written over, a hint for a slip of the finger."""
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    done = runner.invoke(cli, ["init", "mailgun", "clicksend"])
    assert done.exit_code == 0, done.output
    text = Path("slaproof.yaml").read_text()
    assert "preset: mailgun, fee: {amount: 100, currency: USD}, billing_day: 1" in text
    assert "fill in" in text
    assert max(map(len, text.splitlines())) <= 120
    again = runner.invoke(cli, ["init", "mailgun"])
    assert again.exit_code == 2
    assert "--force" in again.output
    assert runner.invoke(cli, ["init", "mailgun", "--force"]).exit_code == 0
    slip = runner.invoke(cli, ["init", "mailgum", "-o", "-"])
    assert slip.exit_code == 2
    assert "did you mean “mailgun”?" in slip.output
    assert runner.invoke(cli, ["init"]).exit_code == 2
    assert "mailpro" in runner.invoke(cli, ["init", "--list"]).output
    assert runner.invoke(cli, ["init", "none", "-o", "-"]).output.startswith("# What slaproof watches")
    checked = runner.invoke(cli, ["check", "--without-secrets"])
    assert checked.exit_code == 0, checked.output
    assert "not set" in checked.output
