"""Every way in which a contract, an events file or a results file can be wrong has its message, with its place."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Thread

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from monitor.commands.contract import contract
from monitor.commands.evaluate import evaluate
from monitor.config.terms import load_contract, load_events
from monitor.config.yamlfile import Problems
from monitor.judgement.evaluate import COLUMNS, read_results
from monitor.sla.instants import write_instant
from monitor.sla.series import Observations

BAD = Path(__file__).parents[1] / "badconfig"
LOADERS: dict[str, Callable[..., object]] = {"contracts": load_contract, "events": load_events}
FILES = [(kind, path) for kind in LOADERS for path in sorted((BAD / kind).glob("*.yaml"))]


def test_there_are_thirty_of_them() -> None:
    assert len(FILES) >= 30


@pytest.mark.parametrize(("kind", "path"), FILES, ids=[f"{kind}/{path.stem}" for kind, path in FILES])
def test_a_broken_file_has_its_exact_messages(kind: str, path: Path) -> None:
    """Every problem of the file is reported at once, with line, column and what to write instead."""
    lines = (BAD / kind / "messages.txt").read_text().splitlines()
    expected = [line for line in lines if line.startswith(f"{path.name}:")]
    with pytest.raises(Problems) as raised:
        LOADERS[kind](path, name=path.name)
    assert str(raised.value).splitlines() == expected
    assert expected


def test_contract_check_reports_and_fails() -> None:
    """``slaproof contract check`` ends with 1 and prints the problems; a sound contract is said to be in order."""
    path = BAD / "contracts" / "several-at-once.yaml"
    done = CliRunner().invoke(contract, ["check", str(path)])
    assert isinstance(done.exception, Problems)
    assert done.exception.exit_code == 1
    assert len(done.exception.problems) == 4
    done = CliRunner().invoke(contract, ["check", "mailgun"])
    assert done.exit_code == 0
    assert "in order: 4 services, 0 response rules" in done.output
    done = CliRunner().invoke(contract, ["show", "mailgum"])
    assert done.exit_code == 2
    assert "did you mean 'mailgun'?" in done.output


def test_a_contract_of_the_configuration_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own name, with the fee and the billing day; a preset and a file need no sound configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLAPROOF_CONFIG", raising=False)
    Path("slaproof.yaml").write_text(
        "contracts:\n  post: {preset: mailgun, billing_day: 15, fee: {amount: 90, currency: USD}}\n  odd: {preset: x}\n"
    )
    done = CliRunner().invoke(contract, ["show", "post"])
    assert done.exit_code == 0, done.output
    assert "It is called post." in done.output
    assert "A billing month begins on day 15." in done.output
    assert "The fee of a period is 90 USD." in done.output
    done = CliRunner().invoke(contract, ["check", "odd"])
    assert str(done.exception).startswith("slaproof.yaml:3:17: there is no preset 'x'")
    done = CliRunner().invoke(contract, ["show", "pots"])
    assert done.exit_code == 2
    assert "did you mean 'post'?" in done.output
    Path("other.yaml").write_text("contracts: {mailgun: {preset: clicksend, plan: best}}\n")
    assert "The plan is best." in CliRunner().invoke(contract, ["show", "mailgun", "-c", "other.yaml"]).output
    assert "Mailgun" in CliRunner().invoke(contract, ["show", "mailgun", "-c", "slaproof.yaml"]).output
    Path("slaproof.yaml").write_text("contracts: {")
    assert CliRunner().invoke(contract, ["show", "mailgun"]).exit_code == 0


HEAD = ",".join(COLUMNS)
ROW = "2026-10-01T00:00:00.000Z,t,main,true,ok,5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "at,target,location,scheduled,outcome\n",
            "r.csv:1: has no column duration_ms: the first line must name " + HEAD,
        ),
        ("", f"r.csv:1: has no column {', '.join(COLUMNS)}: the first line must name {HEAD}"),
        (f"{HEAD}\n{ROW}\n{ROW.replace('ok', 'timout')}\n",
         "r.csv:3: unknown outcome 'timout': did you mean 'timeout'?"),
        (
            f"{HEAD}\n{ROW.replace('T00', 'T25')}\n",
            "r.csv:2: bad time: '2026-10-01T25:00:00.000Z' names a time of day that does not exist",
        ),
        (
            f"{HEAD}\n{ROW.replace('Z', '')}\n",
            "r.csv:2: bad time: '2026-10-01T00:00:00.000' is not an instant: write it like 2026-10-01T00:00:00Z",
        ),
        (f"{HEAD}\n{ROW.replace('true', 'maybe')}\n", "r.csv:2: scheduled cannot be 'maybe': write true or false"),
        (
            f"{HEAD}\n{ROW.replace(',5', ',fast')}\n",
            "r.csv:2: duration_ms cannot be 'fast': write whole milliseconds, 0 where unknown",
        ),
        (f"{HEAD}\n{ROW}\n{ROW}x", "r.csv:3: duration_ms cannot be '5x': write whole milliseconds, 0 where unknown"),
        (f"{HEAD}\r\n{ROW}\r\n{ROW}x\r\n",
         "r.csv:3: duration_ms cannot be '5x': write whole milliseconds, 0 where unknown"),
        (f"{HEAD}\n{ROW},more\n", f"r.csv:2: has 7 columns and not 6: {HEAD}"),
        (f"{HEAD}\n{ROW}\n2026-10-01T00:01:00.000Z,t,main,true", f"r.csv:3: has 4 columns and not 6: {HEAD}"),
        (f'{HEAD}\n\n"2026-10-01T00:00:00Z",t\n', "r.csv:3: has 2 columns and the first line 6"),
        (f'{HEAD},note\n{ROW},"a\nb"\n{ROW.replace("ok", "OK")},"b\nc"\n',
         "r.csv:4: unknown outcome 'OK': did you mean 'ok'?"),
        (f"{HEAD},at\n{ROW},x\n", "r.csv:1: names the column at twice: which is meant?"),
        (f"{HEAD}\n2026-10-01T00:00:00Z,t\n", f"r.csv:2: has 2 columns and not 6: {HEAD}"),
        (f'{HEAD}\n{ROW}\n"{ROW.replace(",", chr(34) + "," + chr(34))}x"\n',
         "r.csv:3: duration_ms cannot be '5x': write whole milliseconds, 0 where unknown"),
        (f'{HEAD},note\n{ROW},a\n{ROW.replace("ok", "OK")},"b, c"\n',
         "r.csv:3: unknown outcome 'OK': did you mean 'ok'?"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_a_broken_row_is_named_by_its_line(text: str, message: str, zipped: bool, tmp_path: Path) -> None:
    """A missing column, an unknown outcome, a bad time: each with the file and the line."""
    path = tmp_path / ("r.csv.gz" if zipped else "r.csv")
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    with pytest.raises(Problems) as raised:
        read_results(path, Observations(), name="r.csv")
    assert str(raised.value) == message


@pytest.mark.parametrize("mark", ["", '"'])
def test_bytes_that_are_not_utf8_are_named_by_their_line(mark: str, tmp_path: Path) -> None:
    """A file in another encoding is told so with the first line that shows it, quoted or not."""
    path = tmp_path / "r.csv"
    strange = ROW.replace(",main,", f",{mark}M\u00fcnchen{mark},").encode("latin-1")
    path.write_bytes(f"{HEAD}\n{ROW}\n".encode() + strange + b"\n")
    with pytest.raises(Problems) as raised:
        read_results(path, Observations(), name="r.csv")
    assert str(raised.value) == "r.csv:3: is not UTF-8: save the file as UTF-8"


def test_a_long_reading_is_shown_on_standard_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where standard error is no terminal, each tenth is a line; standard output holds the answer alone."""
    monkeypatch.setattr("monitor.commands.evaluate._LONG_BYTES", 1000)
    monkeypatch.setattr("monitor.judgement.evaluate._STEP", 16)
    (tmp_path / "c.yaml").write_text("contracts: {a: {preset: omicron}}\n")
    (tmp_path / "r.csv").write_text(HEAD + "\n" + f"{ROW}\n" * 20_000)
    done = CliRunner().invoke(
        evaluate,
        ["--config", str(tmp_path / "c.yaml"), "--contract", "a", "--results", str(tmp_path / "r.csv"),
         "--period", "2026-10", "--json"],
    )  # fmt: skip
    assert done.exit_code == 0
    assert json.loads(done.stdout)["contract"] == "a"
    shown = done.stderr.splitlines()
    assert shown[0].startswith("reading results [#")
    assert shown[-1] == "reading results [##########] 100 %"
    assert len(shown) == len(set(shown)) <= 10


def test_many_broken_rows_are_not_all_told(tmp_path: Path) -> None:
    """Twenty are told, and no more."""
    path = tmp_path / "r.csv"
    path.write_text(HEAD + "\n" + f"{ROW.replace('ok', 'bad')}\n" * 500)
    with pytest.raises(Problems) as raised:
        read_results(path, Observations(), name="r.csv")
    assert len(raised.value.problems) == 20
    assert raised.value.problems[-1].line == 21


def test_a_file_cut_off_is_a_problem(tmp_path: Path) -> None:
    """A gzip file that ends too early is told so, not taken for the whole."""
    path = tmp_path / "r.csv.gz"
    path.write_bytes(gzip.compress((HEAD + "\n" + f"{ROW}\n" * 5000).encode())[:-20])
    with pytest.raises(Problems, match=r"r\.csv: cannot be read: Compressed file ended"):
        read_results(path, Observations(), name="r.csv")


def test_rows_are_read_in_every_form(tmp_path: Path) -> None:
    """Offsets, no fraction, other orders of columns, quotes, blank lines, a byte order mark and CRLF all read alike."""
    plain, other = tmp_path / "plain.csv", tmp_path / "other.csv"
    plain.write_text(
        f"{HEAD}\r\n2026-10-01T00:00:00Z,t,main,true,ok,5\r\n\r\n2026-10-01T02:01:00.5+02:00,t,main,false,tls,\r\n"
        "2026-10-01T00:02:00.123Z,u,main,true,ok,5\r\n",
        encoding="utf-8-sig",
    )
    other.write_text(
        'outcome,note,at,location,scheduled,target,duration_ms\nok,,2026-10-01t00:00:00z,"main",TRUE,t,5\n\n'
        'tls,"a, b",2026-10-01T00:01:00.500999Z,main,False,t,0\n  \nok,,2026-10-01T00:02:00.123Z,main,true,u,1\n'
    )
    found = []
    for path in (plain, other):
        observations = Observations()
        read_results(path, observations, wanted={"t"})
        series = observations.series.pop(("t", "main"))
        assert not observations.series
        found.append((list(series.at), bytes(series.code)))
    assert found[0] == found[1]
    assert found[0][0] == [1_790_812_800_000, 1_790_812_860_500]


FORMS = ("Z", ".{ms:03d}Z", "+00:00", ".{ms:03d}000-00:00", ".{ms:03d}z")
"""Ends of times that all mean UTC."""


@given(
    st.lists(
        st.tuples(st.integers(0, 4_000_000_000_000), st.sampled_from(FORMS), st.integers(0, 2)), min_size=1, max_size=40
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_the_quick_way_reads_what_the_thorough_one_reads(rows: list[tuple[int, str, int]], ending: str) -> None:
    """Plain files give the same columns as the same files with quotes, and both what was written, in every form."""
    lines = []
    written: dict[tuple[str, str], list[int]] = {}
    for index, (at, form, target) in enumerate(rows):
        at -= at % 1000 if "ms" not in form else 0
        time = write_instant(at)[:19] + form.format(ms=at % 1000)
        lines.append(
            f"{time},t{target},main,{'true' if index % 3 else 'false'},{'ok' if index % 5 else 'tls'},{at % 70}"
        )
        if target:
            written.setdefault((f"t{target}", "main"), []).append(at)
    text = ending.join([HEAD, *lines])
    found = []
    for content in (text, text.replace("main", '"main"'), text + ending):
        with NamedTemporaryFile() as file:
            file.write(content.encode())
            file.flush()
            observations = Observations()
            read_results(Path(file.name), observations, wanted={"t1", "t2"})
        found.append({key: (list(one.at), bytes(one.code)) for key, one in observations.series.items()})
    assert found[0] == found[1] == found[2]
    assert {key: at for key, (at, _) in found[0].items()} == written


def test_quotes_far_down_do_not_count_the_rows_before_them_twice(tmp_path: Path) -> None:
    """The quick reader gives way to the thorough one, which begins again."""
    path = tmp_path / "r.csv"
    late = ROW.replace("00:00:00", "00:05:00").replace("ok", '"ok"')
    path.write_text(f"{HEAD}\n{ROW}\n{ROW.replace('00:00:00', '00:01:00')}\n{late}\n")
    observations = Observations()
    read_results(path, observations)
    assert len(observations.series["t", "main"].at) == 3


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    """Results that come through a pipe, zipped and with quotes in them too, although nobody can go back in it."""
    body = f"{HEAD}\n{ROW}\n" + ROW.replace("00:00:00", "00:01:00").replace("main", '"main"') + "\n"
    for number, data in enumerate((body.encode(), gzip.compress(body.encode()))):
        pipe = tmp_path / f"pipe{number}"
        os.mkfifo(pipe)
        writer = Thread(target=pipe.write_bytes, args=(data,))
        writer.start()
        observations = Observations()
        read_results(pipe, observations)
        writer.join()
        assert len(observations.series["t", "main"].at) == 2


def test_what_an_events_file_names_and_the_contract_does_not_have_is_told(tmp_path: Path) -> None:
    """A mistyped service or severity is no error, for a file may serve several contracts, and does not go unseen."""
    (tmp_path / "c.yaml").write_text("contracts: {a: {preset: clicksend}, b: {preset: sparkpost}}\n")
    (tmp_path / "r.csv").write_text(HEAD + "\n")
    (tmp_path / "e.yaml").write_text(
        "reports: [{at: 2026-10-12T10:00:30Z, services: [sms_gatway]}]\n"
        "maintenance: [{start: 2026-10-01T00:00:00Z, end: 2026-10-02T00:00:00Z, services: [sms_gateway, voice]}]\n"
        "tickets: [{id: T, opened: 2026-10-02T00:00:00Z, severity: importnt}]\n"
    )
    base = ["--config", str(tmp_path / "c.yaml"), "--results", str(tmp_path / "r.csv"), "--period", "2026-10"]
    done = CliRunner().invoke(evaluate, [*base, "--contract", "a", "--events", str(tmp_path / "e.yaml"), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["tickets"] == []
    assert done.stderr.replace(str(tmp_path), "").splitlines() == [
        "note: /e.yaml:2:96: passed over: there is no service of a 'voice': there is only sms_gateway",
        "note: /e.yaml:1:49: passed over: there is no service of a 'sms_gatway': did you mean 'sms_gateway'?",
        "note: /e.yaml:3:59: not judged: there is no severity in a 'importnt': did you mean 'important'?",
    ]
    (tmp_path / "e.yaml").write_text("tickets: [{id: T, opened: 2026-10-02T00:00:00Z, severity: non_critical}]\n")
    done = CliRunner().invoke(evaluate, [*base, "--contract", "b", "--events", str(tmp_path / "e.yaml"), "--json"])
    assert done.stderr == ""


def test_mistakes_in_the_call_end_with_2(tmp_path: Path) -> None:
    """A contract that is not there, a period or an instant that is none."""
    (tmp_path / "c.yaml").write_text("contracts: {a: {preset: omicron}}\n")
    (tmp_path / "r.csv").write_text(HEAD + "\n")
    base = ["--config", str(tmp_path / "c.yaml"), "--results", str(tmp_path / "r.csv")]
    for arguments, said in (
        (["--contract", "b", "--period", "2026-10"], "has no contract 'b'"),
        (["--contract", "a", "--period", "2026-13"], "'2026-13' is not a period"),
        (["--contract", "a", "--period", "2026-10", "--now", "today"], "'today' is not an instant"),
    ):
        done = CliRunner().invoke(evaluate, [*base, *arguments])
        assert done.exit_code == 2
        assert said in done.output
    done = CliRunner().invoke(
        evaluate, [*base, "--contract", "a", "--period", "2026-10", "--now", "2026-09-30T21:00:00Z"]
    )
    assert "the period 2026-10 has not begun" in str(done.exception)


def test_the_configuration_is_told_with_its_places(tmp_path: Path) -> None:
    """What is wrong in the contracts and targets of a configuration, all of it at once."""
    (tmp_path / "c.yaml").write_text(
        "contracts:\n"
        "  a: {preset: mailgunn, fee: {amount: much, currency: USD}}\n"
        "  b: {file: nowhere.yaml}\n"
        "  c: {preset: mailgun, billing_day: 32}\n"
        "targets:\n"
        "  - {name: t, contract: a, service: api, interval: 60s, http: {url: x}}\n"
        "  - {name: t, contract: d, service: api, interval: 60s}\n"
        "  - {name: u, contract: c, service: api, interval: often}\n"
    )
    from monitor.config.terms import read_targets, read_terms
    from monitor.config.yamlfile import Problem, load

    document = load(tmp_path / "c.yaml", name="c.yaml")
    problems: list[Problem] = []
    terms = read_terms(document, Path(), problems)
    read_targets(document, terms, problems)
    assert [str(problem) for problem in sorted(problems)] == [
        "c.yaml:2:15: there is no preset 'mailgunn': did you mean 'mailgun'?",
        "c.yaml:2:39: fee 'much' is not an amount: write it like 89.90",
        "c.yaml:3:13: there is no file 'nowhere.yaml'",
        "c.yaml:4:37: billing_day '32' is not a whole number from 1 to 31",
        "c.yaml:7:25: there is no contract 'd'",
        "c.yaml:8:52: 'often' is not a length of time: write a number and a unit, like 60s, 5m, 8h or 30d",
    ]


def test_several_targets_need_to_say_when_the_service_is_down(tmp_path: Path) -> None:
    """A service with several targets and no down_when is a configuration error (arithmetic §2)."""
    from monitor.judgement.evaluate import evaluate_files

    (tmp_path / "c.yaml").write_text(
        "contracts:\n  a: {preset: mailgun}\ntargets:\n"
        "  - {name: t, contract: a, service: api, interval: 60s}\n"
        "  - {name: u, contract: a, service: api, interval: 60s}\n"
    )
    (tmp_path / "r.csv").write_text(HEAD + "\n")
    with pytest.raises(
        Problems, match=r"c.yaml:2:6: service 'api' has 2 targets .* write down_when: any or down_when: all"
    ):
        evaluate_files(tmp_path / "c.yaml", "a", [tmp_path / "r.csv"], None, period="2026-10", now=None)


@pytest.mark.parametrize(
    ("entry", "target", "message"),
    [
        ("preset: mailgun, billing_dya: 15", "interval: 60s",
         "2:24: contract 'c' has no key 'billing_dya': did you mean 'billing_day'?"),
        ("fiel: my.yaml", "interval: 60s", "2:7: contract 'c' has no key 'fiel': did you mean 'file'?"),
        ("preset: mailgun", "interval: 60s, stale_afer: 5m",
         "4:65: a target has no key 'stale_afer': did you mean 'stale_after'?"),
        ("preset: mailgun", "intervall: 60s", "4:50: a target has no key 'intervall': did you mean 'interval'?"),
    ],
)  # fmt: skip
def test_a_mistyped_key_is_not_passed_over(entry: str, target: str, message: str, tmp_path: Path) -> None:
    """A key that would change the verdict is refused where it is misspelt, with its line and column."""
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"contracts:\n  c: {{{entry}}}\ntargets:\n"
        f'  - {{name: long-name, contract: c, service: api, {target}, http: {{url: "https://x.example/"}}}}\n'
    )
    (tmp_path / "r.csv").write_text(HEAD + "\n")
    done = CliRunner().invoke(
        evaluate,
        ["--config", str(config), "--contract", "c", "--results", str(tmp_path / "r.csv"), "--period", "2026-10"],
    )
    assert isinstance(done.exception, Problems)
    assert f"{config}:{message}" in str(done.exception).splitlines()
