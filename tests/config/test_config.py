"""The configuration: understood whole, or refused with every problem in its place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from monitor.cli import cli
from monitor.config import yamlfile
from monitor.config.load import Config, ConfigProblems, load
from monitor.config.schema import schema
from monitor.config.schema_text import reference

ROOT = Path(__file__).parents[2]
BAD = sorted((ROOT / "tests/badconfig/config").glob("*.yaml"))

GOOD = """
location: main
storage: slaproof.db
listen: 127.0.0.1:9780
reference_hosts: ["192.0.2.1:443", "198.51.100.1:53"]
contracts: {mine: {file: contract.yaml, fee: {amount: 90, currency: USD}}}
targets:
  - {name: mail-api, contract: mine, service: api, interval: 60s, timeout: 5s, tcp: {host: api.example, port: 443}}
  - {name: smsc, interval: 5s, stale_after: 30s, tcp: {host: smsc.example, port: 2775, send: "LOGIN ${PW}"},
     reprobe: {first: 2s}}
reprobe: {every: 3s}
"""


def written(folder: Path, text: str = GOOD) -> Path:
    (folder / "contract.yaml").write_text("name: mine\nservices:\n  api: {target: 99.9%}\n")
    path = folder / "monitor.yaml"
    path.write_text(text)
    return path


def read(folder: Path, text: str = GOOD, **environment: str) -> Config:
    return load(written(folder, text), environment=environment)


def test_the_whole_file_is_understood(tmp_path: Path) -> None:
    """Every setting reaches its place, with the defaults where nothing is said."""
    config = read(tmp_path, PW="s3cret-word")
    assert config.location == "main"
    assert config.storage == str(tmp_path / "slaproof.db")
    assert config.listen == ("127.0.0.1", 9780)
    assert config.reference_hosts == ("192.0.2.1:443", "198.51.100.1:53")
    api, smsc = config.targets
    assert (api.name, api.kind, api.contract, api.service) == ("mail-api", "tcp", "mine", "api")
    assert (api.interval_ms, api.timeout_ms, api.stale_after_ms) == (60_000, 5_000, None)
    assert (smsc.interval_ms, smsc.timeout_ms, smsc.stale_after_ms) == (5_000, 4_500, 30_000)
    assert (api.reprobe.first, api.reprobe.every) == (1_000, 3_000)
    assert (smsc.reprobe.first, smsc.reprobe.every) == (2_000, 5_000)
    assert str(config.contracts["mine"].terms.fee) == "90"
    assert config.contracts["mine"].text.startswith("name: mine")
    assert api.spec.service == "api"


def test_little_is_needed(tmp_path: Path) -> None:
    """A target alone is a configuration."""
    config = read(tmp_path, "targets: [{name: a, tcp: {host: h.example, port: 25}}]")
    assert (config.location, config.listen, config.reference_hosts) == ("main", ("127.0.0.1", 9780), ())
    assert config.targets[0].interval_ms == 60_000
    assert config.targets[0].timeout_ms == 10_000
    assert read(tmp_path, "").targets == ()


def test_the_database_stands_in_the_state_directory_where_there_is_one(tmp_path: Path) -> None:
    """systemd's StateDirectory goes before the folder of the file; an absolute path before both."""
    assert (
        read(tmp_path, PW="s3cret-word", STATE_DIRECTORY="/var/lib/slaproof").storage == "/var/lib/slaproof/slaproof.db"
    )
    text = "storage: /srv/slaproof.db"
    assert read(tmp_path, text, STATE_DIRECTORY="/var/lib/slaproof").storage == "/srv/slaproof.db"


def test_secrets_are_hidden(tmp_path: Path) -> None:
    """The redactor knows each secret, and the recorded text of the file holds none."""
    config = read(tmp_path, GOOD + "# s3cret-word stands here by mistake\n", PW="s3cret-word")
    assert "s3cret-word" not in config.text
    assert config.redactor("LOGIN s3cret-word") == "LOGIN [redacted]"
    assert [(source.name, source.present) for source in config.secrets] == [("$PW", True)]


def test_commands_that_only_read_need_no_secrets(tmp_path: Path) -> None:
    """A secret that is absent is a problem for the daemon alone."""
    path = written(tmp_path)
    with pytest.raises(ConfigProblems, match="the variable PW is not set"):
        load(path, environment={})
    assert load(path, environment={}, secrets="optional").targets[1].name == "smsc"


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_problem_is_told_in_its_place(path: Path) -> None:
    """Each broken file gives exactly the problems that its last lines name (“...” stands for anything)."""
    wanted = [line[3:] for line in path.read_text().splitlines() if line.startswith("#= ")]
    assert wanted
    with pytest.raises(ConfigProblems) as caught:
        load(path, environment={})
    found = [str(p).removeprefix(f"{path}:") for p in caught.value.problems]
    assert {p.file for p in caught.value.problems} == {str(path)}
    assert len(found) == len(wanted), found
    for message, pattern in zip(found, wanted, strict=True):
        form = re.escape(pattern).replace("FOLDER", ".*").replace(r"\[\.\.\.\]", ".*")
        assert re.fullmatch(form, message), message


def test_check_says_what_of_a_contract_cannot_apply(tmp_path: Path) -> None:
    """A plan that no rule names, none where the rules name some, and a cap in other money than the fee."""
    text = (
        "contracts:\n  a: {preset: omicron, plan: platinum}\n  b: {preset: omicron}\n"
        "  c: {preset: clicksend, fee: {amount: 200, currency: EUR}}\n  d: {preset: omicron, plan: growth}\n"
        "targets:\n  - {name: one, interval: 60s, tcp: {host: h.example, port: 1}}\n"
    )
    result = CliRunner().invoke(cli, ["check", str(written(tmp_path, text))])
    assert result.exit_code == 0, result.output
    lines = {line.strip().partition(":")[0]: line for line in result.output.splitlines()}
    assert lines["a"].endswith("plan platinum, of which it knows nothing: it has rules for starter, growth or scale")
    assert lines["b"].endswith("no plan given: no rule for starter, growth or scale applies")
    assert lines["c"].endswith("fee 200 EUR (the cap is in USD: credits as percentages)")
    assert lines["d"].endswith("plan growth")
    assert "1 probe a minute in all." in result.output


def test_check_says_what_was_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each target and contract in a sentence; secrets as set or not set and never themselves."""
    monkeypatch.setenv("PW", "s3cret-word")
    result = CliRunner().invoke(cli, ["check", str(written(tmp_path))])
    assert result.exit_code == 0, result.output
    assert "mail-api: tcp api.example:443 every 1 min, mine's api; fails after 5 s" in result.output
    assert (
        "smsc: tcp smsc.example:2775 every 5 s, for its own sake; fails after 4.5 s, a result holds 30 s"
        in result.output
    )
    assert "api at 99.9" in result.output
    assert "smsc.tcp.send: from $PW, set" in result.output
    assert "s3cret-word" not in result.output
    assert "192.0.2.1:443" in result.output


def test_check_shows_every_problem_and_ends_with_one(tmp_path: Path) -> None:
    """Problems go to standard error as file:line:column: message."""
    path = written(tmp_path, "lisen: 1\ntargets: [{nam: a}]\n")
    result = CliRunner().invoke(cli, ["check", "--config", str(path)])
    assert result.exit_code == 1
    assert f"{path}:1:1: 'lisen' is not known here: did you mean 'listen'?" in result.stderr
    assert "2:12: " in result.stderr
    assert not result.stdout
    shown = json.loads(CliRunner().invoke(cli, ["check", "--json", str(path)]).stdout)
    assert shown["ok"] is False
    assert shown["problems"][0]["line"] == 1


def test_check_says_that_without_reference_hosts_nobody_knows(tmp_path: Path) -> None:
    """Who has no reference hosts is told what that means."""
    result = CliRunner().invoke(cli, ["check", str(written(tmp_path, "location: here"))])
    assert "without reference_hosts" in result.output


def test_a_configuration_that_is_not_there_is_a_mistake_in_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file: 2, and what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLAPROOF_CONFIG", raising=False)
    from monitor.commands._options import NoConfiguration, find_config

    with pytest.raises(NoConfiguration, match="slaproof init"):
        find_config(tmp_path / "none.yaml")
    assert NoConfiguration.exit_code == 2
    (tmp_path / "slaproof.yaml").write_text("")
    assert find_config(None) == Path("slaproof.yaml")
    monkeypatch.setenv("SLAPROOF_CONFIG", str(tmp_path / "other.yaml"))
    (tmp_path / "other.yaml").write_text("")
    assert find_config(None) == tmp_path / "other.yaml"


def test_the_shipped_configuration_is_understood() -> None:
    """What comes with slaproof loads as it is."""
    config = load(ROOT / "config/monitor.yaml", environment={})
    assert {target.contract for target in config.targets} == {"mailpro", "mailgun", "clicksend", "sparkpost"}


def test_the_schema_for_editors_is_current_and_agrees(tmp_path: Path) -> None:
    """config/schema.json is what the models say, is valid, and takes what we take."""
    stored = json.loads((ROOT / "config/schema.json").read_text())
    assert stored == schema(), "run: tests/renew_documents.py"
    jsonschema.Draft202012Validator.check_schema(stored)
    validator = jsonschema.Draft202012Validator(stored)
    yaml = YAML(typ="safe", pure=True)
    validator.validate(yaml.load(GOOD))
    validator.validate(yaml.load((ROOT / "config/monitor.yaml").read_text()))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(yaml.load("lisen: 127.0.0.1:9780"))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(yaml.load("targets: [{name: a, tcp: {host: h, prot: 3}}]"))


def test_every_key_stands_in_the_documentation() -> None:
    """docs/configuration.md ends with the reference that the models give, and its examples are understood."""
    text = (ROOT / "docs/configuration.md").read_text()
    marker = "<!-- from here on: slaproof schema --markdown -->\n"
    assert text.partition(marker)[2] == "\n" + reference(), "run: tests/renew_documents.py"


def test_the_examples_in_the_documentation_are_understood(tmp_path: Path) -> None:
    """Each example block of docs/configuration.md is a configuration."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/configuration.md").read_text(), re.DOTALL)
    assert len(blocks) >= 3
    (tmp_path / "private-ca.pem").write_bytes((ROOT / "config/sandbox-ca.pem").read_bytes())
    (tmp_path / "smtp-password").write_text("x")
    for block in blocks:
        written(tmp_path, block)
        load(tmp_path / "monitor.yaml", environment={}, secrets="optional")


def test_a_long_file_is_read_quickly_and_in_the_same_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of targets: the same values and the same problems, at the same places, as in a short file."""
    count = 2_000
    lines = [f"  - {{name: t{n}, interval: 10s, tcp: {{host: 127.0.0.1, port: {n + 1}}}}}\n" for n in range(count)]
    composed: list[bool] = []
    fast = yamlfile._composed_by_libyaml
    monkeypatch.setattr(
        yamlfile, "_composed_by_libyaml", lambda text: (found := fast(text), composed.append(found is not None))[0]
    )
    config = read(tmp_path, "targets:\n" + "".join(lines))
    assert composed == [True], "the slow reader was asked"
    assert [target.name for target in config.targets] == [f"t{n}" for n in range(count)]
    lines[1_500] = "  - {name: t3, prot: 5, tcp: {host: 127.0.0.1, port: 1}}\n"
    with pytest.raises(ConfigProblems) as caught:
        read(tmp_path, "targets:\n" + "".join(lines))
    assert [(p.line, p.column) for p in caught.value.problems] == [(1_502, 12), (1_502, 16)]
    with pytest.raises(ConfigProblems, match=r":1502:\d+: is not YAML: "):
        read(tmp_path, "targets:\n" + "".join([*lines[:1_500], "  - {name: [a}\n", *lines[1_501:]]))
