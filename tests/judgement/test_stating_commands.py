"""The commands with which people enter what they know: maintenance, exclusion, ticket, outage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from monitor.clock import SystemClock
from monitor.store import open_store

CONFIG = """
location: main
storage: s.db
contracts:
  mailgun: {preset: mailgun, fee: {amount: 90, currency: USD}, billing_day: 15}
  clicksend: {preset: clicksend, fee: {amount: 200, currency: USD}}
  mailpro: {preset: mailpro}
targets:
  - {name: api, contract: mailgun, service: api, interval: 60s, http: {url: "https://127.0.0.1:9/"}}
"""


class Person:
    """Somebody at the command line."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "monitor.yaml"
        self.config.write_text(CONFIG)
        self.folder = folder

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, [*arguments, "--config", str(self.config)])

    def says(self, *arguments: str) -> str:
        result = self.call(*arguments)
        assert result.exit_code == 0, result.output + repr(result.exception)
        return result.output

    def json(self, *arguments: str):
        result = self.call(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *arguments: str) -> str:
        result = self.call(*arguments)
        assert result.exit_code != 0
        return result.output + str(result.exception)


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


WINDOW = ("--start", "2026-10-12T02:00:00Z", "--end", "2026-10-12 04:00")


def test_a_window_is_entered_corrected_and_withdrawn_and_every_state_stays_visible(person):
    """What was entered first stands in the list with each correction, its reason and its time of entry."""
    first = person.json("maintenance", "add", "clicksend", *WINDOW, "--announced", "2026-10-05T02:00:01Z")
    assert first["data"]["end"] == "2026-10-12T04:00:00.000Z"
    assert first["source"] == "cli"
    assert person.says("maintenance", "list").count("announced too late") == 1
    assert "Correct a maintenance window" in person.says("maintenance", "correct", "--help")
    assert "Correct an exclusion" in person.says("exclusion", "correct", "--help")
    (listed,) = person.json("maintenance", "list", "--contract", "clicksend")
    assert listed["effect"] == [
        {"service": "sms_gateway", "left_out": False, "why": "late", "text": "counts: announced too late"}
    ]
    moved = person.json(
        "maintenance", "correct", first["id"], "--start", "2026-10-12T03:00:00Z", "--announced", "2026-10-01T00:00:00Z",
        "--why", "moved by an hour",
    )  # fmt: skip
    assert moved["corrects"] == first["id"]
    (listed,) = person.json("maintenance", "list")
    assert listed["data"]["start"] == "2026-10-12T03:00:00.000Z"
    assert listed["effect"][0]["left_out"] is True
    assert listed["remarks"][0].startswith("moved from 2026-10-12T02:00:00.000Z")
    assert [version["event"] for version in listed["versions"]] == [first["id"], moved["id"]]
    assert all(version["entered_at"] for version in listed["versions"])
    person.says("maintenance", "withdraw", moved["id"], "--why", "cancelled")
    text = person.says("maintenance", "list")
    assert "withdrawn" in text
    assert "cancelled" in text
    assert "2026-10-12T02:00:00Z" in text  # the old one
    assert "withdrawn before" in person.refused("maintenance", "withdraw", first["id"], "--why", "x")


def test_entering_beside_a_running_daemon(person):
    """The daemon's lock does not keep anybody from entering events; the daemon's reader sees them."""
    with open_store(person.folder / "s.db", "main", SystemClock(), daemon=True) as store:
        person.says("exclusion", "add", "mailgun", *WINDOW, "--reason", "ddos", "--service", "smtp")
        (event,) = store.reader.events(kinds=["exclusion"])
    assert event.data["services"] == ["smtp"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("maintenance", "add", "mailgum", *WINDOW), "did you mean 'mailgun'?"),
        (("maintenance", "add", "mailgun", *WINDOW, "--service", "smpt"), "did you mean 'smtp'?"),
        (("maintenance", "add", "mailgun", *WINDOW, "--kind", "planned"), "kind cannot be 'planned'"),
        (("maintenance", "add", "mailgun", "--start", "yesterday", "--end", "now"), "is no time"),
        (("maintenance", "add", "mailgun", "--start", "2026-10-12", "--end", "2026-10-12"), "end is not after start"),
        (("ticket", "open", "clicksend", "T1", "--severity", "importent"), "did you mean 'important'?"),
        (("ticket", "reach", "T9", "acted"), "no ticket 'T9'"),
        (("outage", "report", "clicksned"), "did you mean 'clicksend'?"),
        (("outage", "report"), "name the contract"),
        (("maintenance", "correct", "E1", "--why", "x", "--note", "y"), "no maintenance window 'E1'"),
        (("maintenance", "list"), "There is no database"),
    ],
)
def test_mistakes_are_answered_with_the_right_name(person, arguments, says):
    """A wrong name is answered with the nearest right one, and nothing is entered."""
    said = person.refused(*arguments)
    assert says in said
    database = person.folder / "s.db"
    if database.exists():
        with open_store(database, "main", SystemClock()) as store:
            assert store.reader.events() == []


def test_a_reason_that_the_contract_does_not_accept_is_kept_and_told(person):
    """It changes nothing, and whoever enters it learns so."""
    said = person.says("exclusion", "add", "mailgun", *WINDOW, "--reason", "weather")
    assert "does not accept the reason 'weather'" in said
    assert "counts: the contract does not accept this reason" in said


def test_a_ticket_from_its_opening_to_its_end(person):
    """Opened, answered, waiting, and its deadlines under the contract."""
    said = person.says(
        "ticket", "open", "clicksend", "T1", "--severity", "important", "--opened", "2026-10-05T08:00:00Z"
    )
    assert "acted due 2026-10-05 08:30:00 UTC: breached" in said
    assert "opened before" in person.refused("ticket", "open", "clicksend", "T1", "--severity", "important")
    assert "before it" in person.refused("ticket", "reach", "T1", "acted", "--at", "2026-10-05T07:00:00Z")
    person.says("ticket", "reach", "T1", "acted", "--at", "2026-10-05T08:29:59Z")
    person.says("ticket", "wait", "T1", "--since", "2026-10-05T08:30:00Z")
    assert "waits about 'T1' since" in person.refused("ticket", "wait", "T1")
    # An end goes to the last: a second one under way would never end.
    assert "waits about 'T1' since" in person.refused("ticket", "wait", "T1", "--since", "2026-10-05T08:40:00Z")
    person.says("ticket", "wait", "T1", "--until", "2026-10-05T09:30:00Z")
    person.says("ticket", "reach", "T1", "responded", "--at", "2026-10-05T11:00:00Z")
    (listed,) = person.json("ticket", "list")
    assert [(one["milestone"], one["due"], one["verdict"]) for one in listed["results"]] == [
        ("acted", "2026-10-05T08:30:00.000Z", "met"),
        ("responded", "2026-10-05T11:00:00.000Z", "met"),
    ]
    assert listed["waiting"] == [["2026-10-05T08:30:00.000Z", "2026-10-05T09:30:00.000Z"]]
    assert "responded due 2026-10-05 11:00:00 UTC, responded 2026-10-05 11:00:00 UTC: met" in person.says(
        "ticket", "list"
    )
    assert person.json("ticket", "list", "--open") == []


def test_a_csv_file_is_entered_once_and_whole_or_not_at_all(person):
    """Every row is checked first; a file read a second time adds nothing."""
    file = person.folder / "windows.csv"
    file.write_text(
        "contract,start,end,announced,services,note\n"
        'mailgun,2026-10-12T02:00:00Z,2026-10-12T04:00:00Z,,api smtp,"from the page, by hand"\n'
        "clicksend,2026-10-13 02:00,2026-10-13 03:00,2026-10-01,,\n"
    )
    assert "2 entered, 0 known before." in person.says("maintenance", "import", str(file))
    assert person.json("maintenance", "import", str(file)) == {"entered": [], "known_before": 2}
    first = person.json("maintenance", "list")[0]
    assert first["data"]["services"] == ["api", "smtp"]
    assert first["source"] == "csv:windows.csv"
    file.write_text("contract,start,end\nmailgun,2026-11-12T02:00:00Z,2026-11-12T04:00:00Z\nmailgnu,x,2026-11-12\n")
    said = person.refused("maintenance", "import", str(file))
    assert "windows.csv:3: there is no contract 'mailgnu': did you mean 'mailgun'?" in said
    assert "Nothing was entered" in said
    assert len(person.json("maintenance", "list")) == 2
    file.write_text("contract,strat,end\n")
    assert "no column 'strat': did you mean 'start'?" in person.refused("maintenance", "import", str(file))


def test_a_milestone_is_corrected_and_its_first_time_stays_visible(person):
    """By the event that noted it; only the milestone that it notes, and no time of waiting."""
    person.says("ticket", "open", "clicksend", "T1", "--severity", "important", "--opened", "2026-10-05T08:00:00Z")
    noted = person.json("ticket", "reach", "T1", "acted", "--at", "2026-10-05T08:10:00Z")["id"]
    waited = person.json("ticket", "wait", "T1", "--since", "2026-10-05T12:00:00Z")["id"]
    changed = ("2026-10-05T08:40:00Z", "--why", "the clock was wrong")
    assert "write --acted" in person.refused("ticket", "correct", noted, "--responded", *changed)
    assert "when the ticket 'T1' waited" in person.refused("ticket", "correct", waited, "--acted", *changed)
    person.says("ticket", "correct", noted, "--acted", *changed)
    listed = person.says("ticket", "list")
    assert "acted 2026-10-05 08:40:00 UTC: breached" in listed
    assert "at=2026-10-05T08:40:00Z  milestone=acted" in listed
    assert "milestone=acted, by cli: the clock was wrong" in listed
    again = person.says("ticket", "reach", "T1", "acted", "--at", "2026-10-05T08:50:00Z")
    assert "was acted at 2026-10-05 08:40:00 already; the earlier of both stands" in again


def test_a_file_of_tickets_that_grew_is_read_again(person):
    """What was answered since corrects what was entered; a ticket twice in one file is a mistake."""
    file = person.folder / "tickets.csv"
    head = "contract,id,opened,severity,responded\n"
    row = "clicksend,T1,2026-10-05T08:00:00Z,important,"
    file.write_text(f"{head}{row}\n")
    assert "1 entered" in person.says("ticket", "import", str(file))
    file.write_text(f"{head}{row}2026-10-05T09:00:00Z\n")
    assert "corrects" in person.says("ticket", "import", str(file))
    (listed,) = person.json("ticket", "list")
    assert [one["reached"] for one in listed["results"]] == [None, "2026-10-05T09:00:00.000Z"]
    assert [version["why"] for version in listed["versions"]] == ["", "as tickets.csv has it"]
    assert "0 entered, 1 known before." in person.says("ticket", "import", str(file))
    file.write_text(f"{head}{row}\n")
    assert "0 entered, 1 known before." in person.says("ticket", "import", str(file))
    other = row.replace("T1", "T2")
    file.write_text(f"{head}{other}\n{other}2026-10-05T09:00:00Z\n")
    assert "tickets.csv:3: the ticket 'T2' stands in the file twice" in person.refused("ticket", "import", str(file))


def test_tickets_and_reports_from_csv(person):
    """Tickets carry what they reached; reports stand alone."""
    tickets = person.folder / "t.csv"
    tickets.write_text("id,opened,severity,acted,responded\nT1,2026-10-05T08:00:00Z,important,2026-10-05T08:10:00Z,\n")
    person.says("ticket", "import", str(tickets), "--contract", "clicksend")
    assert [one["verdict"] for one in person.json("ticket", "list")[0]["results"]] == ["met", "breached"]
    reports = person.folder / "r.csv"
    reports.write_text("contract,at,note\nclicksend,2026-10-05T08:00:00Z,phone\n")
    assert "1 entered" in person.says("outage", "report", "--csv", str(reports))
    assert person.json("outage", "list")[0]["data"]["note"] == "phone"
    entered = person.json("outage", "report", "clicksend")
    assert entered["kind"] == "report"
