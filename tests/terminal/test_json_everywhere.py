"""``--json`` everywhere: one document on standard output, nothing beside it, times as RFC 3339 in UTC."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from monitor.cli import cli
from tests.servers import free_port

NO_JSON = {
    "run": "the daemon: what it says is its log, which is JSON by log: format: json",
    "completion": "a script for a shell",
    "schema": "JSON by itself",
}
CONFIG = """
location: main
storage: s.db
contracts: {mailgun: {preset: mailgun, fee: {amount: 90, currency: USD}, billing_day: 15, plan: gold}}
targets:
  - {name: api, contract: mailgun, service: api, interval: 60s, http: {url: "https://127.0.0.1:9/"}}
notify:
  channels:
    - {name: hook, webhook: {url: "http://127.0.0.1:PORT/s3cret-word", secret: s3cret-word}}
"""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be called, by its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


EVERY = dict(commands(cli))


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_json(name: str) -> None:
    """Whoever adds a command gives it --json, or says here why it has none."""
    flags = {flag for parameter in EVERY[name].params for flag in parameter.opts}
    assert ("--json" in flags) != (name in NO_JSON)


def test_no_exception_outlives_its_command() -> None:
    """What stands in the list of exceptions is a command."""
    assert set(NO_JSON) <= set(EVERY)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a configuration."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slaproof.yaml").write_text(CONFIG.replace("PORT", str(free_port())))
    return tmp_path


def answer(*arguments: str, ends: int = 0) -> Any:
    """What a command answers; seen to be one document in which every time is RFC 3339."""
    done = CliRunner().invoke(cli, [*arguments, "--json"])
    assert done.exit_code == ends, (done.output, done.exception)
    found = json.loads(done.stdout)
    for key, value in _leaves(found):
        if re.fullmatch(r"(.*_)?at|start|end|.*_by", key) and value is not None:
            assert isinstance(value, str), (key, value)
            assert TIME.fullmatch(value), (key, value)
    return found


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, key)
    else:
        yield key, value


def test_a_contract(folder: Path) -> None:
    """Its terms as values as the contract writes them, what is one's own, and the sentences of the text."""
    shown = answer("contract", "show", "mailgun")
    assert shown["own"] is None  # the preset: a configuration counts where it is named
    shown = answer("contract", "show", "mailgun", "--config", "slaproof.yaml")
    assert shown["own"] == {"name": "mailgun", "fee": "90", "currency": "USD", "billing_day": 15, "plan": "gold"}
    assert shown["contract"]["services"][0] == {"name": "api", "target": "99.99%", "down_when": None}
    assert shown["contract"]["credit"]["blocks"]["after"] == "0.01%"
    assert shown["contract"]["availability"]["counted_outcomes"] == sorted(
        shown["contract"]["availability"]["counted_outcomes"]
    )
    text = " ".join(CliRunner().invoke(cli, ["contract", "show", "mailgun", "-c", "slaproof.yaml"]).output.split())
    for part in shown["says"]:
        assert part["part"] in text
        assert all(" ".join(said.split()) in text for said in part["sentences"])
    assert {one["name"] for one in answer("contract", "list")} > {"mailgun", "clicksend"}


def test_every_contract_that_comes_with_the_program(folder: Path) -> None:
    """No value in any of them is without a form in JSON."""
    for one in answer("contract", "list"):
        assert answer("contract", "show", one["name"])["contract"]["name"] == one["name"]


def test_a_contract_that_is_wrong(folder: Path) -> None:
    """The same form as “check”: every problem in its place, and 1."""
    assert answer("contract", "check", "mailgun") == {
        "ok": True, "contract": "mailgun", "services": 4, "response_rules": 0,
    }  # fmt: skip
    (folder / "bad.yaml").write_text("name: bad\nservics: {}\n")
    told = answer("contract", "check", "bad.yaml", ends=1)
    assert not told["ok"]
    assert [(one["file"], one["line"], one["column"]) for one in told["problems"]][:1] == [("bad.yaml", 2, 1)]


def test_a_first_configuration(folder: Path) -> None:
    """The file that was written, or its text; the question for the providers is asked beside the answer."""
    assert answer("init", "mailgun", "mailgun", "-o", "new.yaml") == {
        "providers": ["mailgun"], "location": "main", "file": "new.yaml",
    }  # fmt: skip
    told = answer("init", "mailgun", "-o", "-")
    assert told["file"] is None
    assert told["text"] == (folder / "new.yaml").read_text()
    assert answer("init", "--list") == answer("contract", "list")


def test_a_key_from_its_making_to_its_end(folder: Path) -> None:
    """Its public side and the files alone; the private key is in none of the answers."""
    made = answer("key", "new", "--name", "monitor.example/slaproof")
    assert made == {"key": made["key"], "file": "slaproof.key", "public": "slaproof.key.pub",
                    "keys": [made["key"]], "notes": []}  # fmt: skip
    private = (folder / "slaproof.key").read_text().strip()
    turned = answer("key", "rotate")
    old = made["key"].split("+")[1]
    assert turned["replaced"] == old
    assert turned["keys"] == [made["key"], turned["key"]]
    gone = answer("key", "revoke", old, "--reason", "lost")
    assert (gone["revoked"], gone["reason"], len(gone["notes"])) == (old, "lost", 2)
    secret = private.split("+", 4)[4]  # base64 may have a plus of its own
    assert secret not in json.dumps([made, turned, gone, answer("key", "show")])
    assert answer("key", "show") == {name: gone[name] for name in ("key", "file", "public", "keys", "notes")}


def test_a_token(folder: Path) -> None:
    """Made, listed and taken back."""
    assert not (folder / "s.db").exists()
    answer("maintenance", "add", "mailgun", "--start", "2026-10-01", "--end", "2026-10-02")  # which makes the database
    made = answer("token", "create", "reader")
    assert made.pop("token")
    assert answer("token", "list") == [made]
    gone = answer("token", "revoke", "reader")
    assert gone["revoked_at"] is not None
    assert answer("token", "list") == [gone]


def test_a_message_that_nobody_took(folder: Path) -> None:
    """Each channel with what was answered, without the secrets of its address; 1 where one was not taken."""
    (told,) = answer("notify", "test", ends=1)
    assert (told["channel"], told["taken"]) == ("hook", False)
    assert "s3cret-word" not in told["answer"]


def test_measurements_of_others(folder: Path) -> None:
    """With a file what was read of each target, without one the observations too."""
    (folder / "t.csv").write_text(
        "time,name,status\n2026-10-01T00:00:00Z,a,up\n2026-10-01T00:01:00Z,a,down\n2026-10-01T00:09:00Z,a,up\n"
    )
    told = answer("import", "csv", "t.csv")
    assert told["observations"][0] == {
        "at": "2026-10-01T00:00:00.000Z", "target": "a", "location": "main", "scheduled": True, "outcome": "ok",
        "duration_ms": 0,
    }  # fmt: skip
    (series,) = told["series"]
    assert (series["observations"], series["failed"]) == (3, {"wrong_answer": 1})
    assert (series["start"], series["end"]) == ("2026-10-01T00:00:00.000Z", "2026-10-01T00:09:00.000Z")
    written = answer("import", "csv", "t.csv", "-o", "r.csv")
    assert written == {"file": "r.csv", "series": told["series"]}
    assert (folder / "r.csv").read_text().splitlines()[1] == "2026-10-01T00:00:00.000Z,a,main,true,ok,0"


def test_targets_of_others(folder: Path) -> None:
    """Targets as values, and what has no counterpart as sentences."""
    (folder / "blackbox.yml").write_text("modules: {port: {prober: tcp, timeout: 5s}}\n")
    told = answer("import", "blackbox.yml")
    assert told["notes"] == []
    assert told["targets"][0]["tcp"] == {"host": "fill-in.example", "port": "443"}


def test_the_verifying_page(folder: Path) -> None:
    """The file and its size."""
    assert answer("verifier") == {"file": "verify.html", "bytes": (folder / "verify.html").stat().st_size}


def test_what_lasts_is_not_one_document(folder: Path) -> None:
    """--watch and --json are refused together, where the second would be passed over in silence."""
    done = CliRunner().invoke(cli, ["status", "--watch", "--json"])
    assert done.exit_code == 2
    assert "leave --watch away" in done.stderr
