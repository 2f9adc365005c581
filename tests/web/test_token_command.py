"""“slaproof token”: made once, shown once, listed, taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.clock import SystemClock
from monitor.commands.token import NoSuchToken, token
from monitor.store import open_store
from monitor.web.kept import KeptTokens


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "slaproof.yaml"
    path.write_text("location: main\ntargets: []\ncontracts: {mailpro: {preset: mailpro}}\n")
    open_store(tmp_path / "slaproof.db", "main", SystemClock()).close()
    return path


def test_a_token_is_made_found_listed_and_revoked(config: Path) -> None:
    """The database keeps its digest alone; a revoked one opens nothing and stays listed."""
    runner = CliRunner()
    made = runner.invoke(token, ["create", "grafana", "--scope", "read", "--expires", "90d", "-c", str(config)])
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert secret.startswith("slp_")
    assert secret.encode() not in (config.parent / "slaproof.db").read_bytes()
    with open_store(config.parent / "slaproof.db", "main", SystemClock()) as store:
        found = KeptTokens(store.tokens, SystemClock())
        caller = found.find(secret)
        assert caller is not None
        assert (caller.name, caller.scopes) == ("grafana", {"read"})
        assert found.find(secret + "x") is None
        assert found.find("grafana") is None
        again = runner.invoke(token, ["create", "grafana", "-c", str(config)])
        assert again.exit_code == 1
        listed = json.loads(runner.invoke(token, ["list", "--json", "-c", str(config)]).stdout)
        assert [(one["name"], one["scopes"], one["revoked_at"]) for one in listed] == [("grafana", ["read"], None)]
        assert runner.invoke(token, ["revoke", "grafana", "-c", str(config)]).exit_code == 0
        assert found.find(secret) is None
    assert "revoked" in runner.invoke(token, ["list", "-c", str(config)]).stdout


def test_mistakes_are_told_in_a_sentence(config: Path) -> None:
    """An unknown name, a length of time that is none."""
    runner = CliRunner()
    assert isinstance(runner.invoke(token, ["revoke", "nobody", "-c", str(config)]).exception, NoSuchToken)
    wrong = runner.invoke(token, ["create", "x", "--expires", "soon", "-c", str(config)])
    assert wrong.exit_code == 2
    assert "soon" in wrong.output
