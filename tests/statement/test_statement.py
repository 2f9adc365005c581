"""The statement's pages: what they say, how they are made, and that other people's programs accept them."""

import datetime as dt
import io
import json
import subprocess
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from monitor.judgement.gap_text import GAPS
from monitor.sla.contract import Terms
from monitor.sla.evaluate import evaluate
from monitor.sla.reading import read_contract
from monitor.sla.values import Events, Exclusion, Maintenance, Observation, TargetSpec, Ticket
from monitor.statement import words
from monitor.statement.content import SHOWN_PROBES, content
from monitor.statement.facts import Balance, ClockFacts, Hole, Probe, Response, Revision, Seal, StatementFacts
from monitor.statement.render import render
from monitor.statement.sign import CannotSign, own_identity, sign_pages
from monitor.times import parse
from tests.servers import need

CONTRACT = {
    "name": "example",
    "title": "Example relay service level agreement",
    "timezone": "Europe/Berlin",
    "services": {"api": {"target": "99.99%"}, "smtp_in": {"target": "99%"}},
    "availability": {"denominator": "elapsed_minus_excluded", "confirm": "2"},
    "maintenance": {"scheduled": "excluded", "notice": "7d", "always_counted": ["smtp_in"]},
    "exclusions": ["customer_error"],
    "clauses": {"credit": "3.3", "maintenance": "3.2"},
    "credit": {"blocks": {"each": "30m", "credit": "5%", "after": "0.01%"}},
    "claim": {"after_outage": "30d"},
    "support": {
        "rules": [{"name": "urgent", "severity": "urgent", "milestone": "responded", "within": "2h", "clock": "always"}]
    },
}
START, END = parse("2026-09-30T22:00:00Z"), parse("2026-10-31T23:00:00Z")
DOWN = (parse("2026-10-09T14:03:30Z"), parse("2026-10-09T15:11:00Z"))
TARGETS = (
    TargetSpec(name="mail-api", service="api", interval_ms=300_000),
    TargetSpec(name="inbound", service="smtp_in", interval_ms=300_000),
)
EVENTS = Events(
    maintenance=(
        Maintenance(
            start=parse("2026-10-14T22:00:00Z"),
            end=parse("2026-10-15T02:00:00Z"),
            announced=parse("2026-10-12T09:00:00Z"),
            note="router",
        ),
    ),
    exclusions=(
        Exclusion(start=DOWN[0], end=parse("2026-10-09T14:10:00Z"), reason="customer_error", services=("api",)),
    ),
    tickets=(
        Ticket(
            id="T-1",
            opened=parse("2026-10-09T14:12:00Z"),
            severity="urgent",
            reached={"responded": parse("2026-10-09T18:00:00Z")},
        ),
    ),
)


def observations() -> list[Observation]:
    """A month of two targets every five minutes, one of them down for an hour."""
    out = []
    for target in TARGETS:
        for at in range(START - 3_600_000, END + 3_600_000, target.interval_ms):
            failing = target.service == "api" and DOWN[0] <= at < DOWN[1]
            out.append(Observation(at, target.name, "main", True, "server_error" if failing else "ok", 80))
    return out


@pytest.fixture(scope="module")
def facts() -> StatementFacts:
    """Everything that a statement can show."""
    terms = Terms(name="example", contract=read_contract(CONTRACT), fee=Decimal(90), currency="EUR")
    seen = observations()
    judged = evaluate(terms, TARGETS, seen, EVENTS, period="2026-10", now=END + 86_400_000)
    outage = judged.service("api").outages[0]
    around = tuple(
        Probe(o.at, o.target, o.location, o.scheduled, o.outcome, o.duration_ms, "HTTP 503 <busy> & #[sorry]")
        for o in seen
        if o.target == "mail-api" and outage.start - 900_000 <= o.at <= outage.end + 900_000
    )
    return StatementFacts(
        evaluation=judged,
        targets=TARGETS,
        locations=("main",),
        made_at=END + 3_600_000,
        program="slaproof 0.1.0",
        probes={("api", outage.start): around},
        holes=(Hole("inbound", "main", START + 1000, START + 601_000, 2, "not_running"),),
        balances=(Balance("inbound", "main", 8940, 8938, 2),),
        responses=(Response("mail-api", 8920, 80, 190, 260, 3021),),
        clock=ClockFacts(samples=744, worst_us=-1834, steps=((START + 5000, -420),)),
        corrections=("a window was entered anew",),
        seal=Seal(key="example+00000000+AAAA", checkpoint="size 31", days=31, signer="Example GmbH"),
        customer="Example GmbH",
        revision=Revision(number=2, changes=("The provider's announcement was found.",)),
        file_name="example-2026-10.pdf",
    )


def test_every_phrase_stands_in_every_language() -> None:
    """English and German have the same phrases with the same places for values."""
    import string

    english, german = words.WORDS["en"], words.WORDS["de"]
    assert english.keys() == german.keys()
    for key in english:
        places = [{f for _, f, _, _ in string.Formatter().parse(text) if f} for text in (english[key], german[key])]
        assert places[0] == places[1], key


def test_the_first_page_says_what_the_judgement_says(facts: StatementFacts) -> None:
    """Verdict, availability cut and not rounded, and the credit with its steps."""
    said = content(facts, "en")
    api, inbound = said["services"]
    judged = facts.evaluation.service("api")
    assert judged.availability is not None
    cut = judged.availability * 1_000_000
    assert api["availability"] == f"{int(cut) // 10_000}.{int(cut) % 10_000:04d}\u202f%"
    assert (api["verdict"], inbound["verdict"]) == ("breached", "met")
    assert "the promise was broken" in said["sentences"][0]["text"]
    assert "10\u202f% of the fee is due: 9.00 EUR" in said["credit"]["text"]
    assert ["Blocks of 30 min, 5\u202f% each", "2 whole"] in said["credit"]["steps"]
    assert "2026-11-08 16:15" in said["credit"]["text"], "the deadline is in the contract's own time"


def test_what_nobody_observed_has_no_figure(facts: StatementFacts) -> None:
    """The arithmetic takes the unseen as up; the pages do not quote that, and draw no calendar of it."""
    terms = facts.evaluation.terms
    seen = [one for one in observations() if one.target == "mail-api"]
    judged = evaluate(terms, TARGETS, seen, EVENTS, period="2026-10", now=END + 86_400_000)
    assert judged.service("smtp_in").availability == 1
    said = content(replace(facts, evaluation=judged), "en")
    assert said["sentences"][1]["text"] == "SMTP inbound: nothing was observed; no figure can be given."
    assert [one["availability"] == "–" for one in said["services"]] == [False, True]
    assert [one["service"] for one in said["calendars"]] == ["API"]


@pytest.mark.parametrize(("unit", "whole", "counted"), [("time", "time", True), ("check", "checks", False)])
def test_percentages_say_of_what_they_are(facts: StatementFacts, unit: str, whole: str, counted: bool) -> None:
    """Where checks are counted, no outage is said to count a length of time."""
    contract = {**CONTRACT, "availability": {"unit": unit}} if unit == "check" else CONTRACT
    contract = {key: value for key, value in contract.items() if unit == "time" or key != "credit"}
    terms = Terms(name="example", contract=read_contract(contract), fee=None, currency=None)
    judged = evaluate(terms, TARGETS, observations(), EVENTS, period="2026-10", now=END + 86_400_000)
    said = content(replace(facts, evaluation=judged), "en")
    assert f"of the {whole}." in said["sentences"][0]["text"]
    assert any(name == "Counted" for name, _ in said["outages"][0]["figures"]) is counted


def test_reasons_are_in_the_readers_language(facts: StatementFacts) -> None:
    """Gaps, exclusions and headings of the contract."""
    english, german = content(facts, "en"), content(facts, "de")
    assert (english["holes"][0][4], german["holes"][0][4]) == ("the monitor was not running", "die Messung lief nicht")
    assert any(row[0] == "Fehler des Kunden" for row in german["excuses"])
    say = words.Speaker("de", "+01:00")
    assert (say.clause("3.2"), say.clause("Wartung")) == ("Ziffer 3.2", "Abschnitt „Wartung“")
    assert say.zone_name == "UTC+01:00"
    for names in (GAPS, words.REASONS):
        assert set(names["en"]) <= set(names["de"])


def test_german_has_its_own_decimal_mark_and_words(facts: StatementFacts) -> None:
    """The same facts in German."""
    said = content(facts, "de")
    assert said["heading"] == "Oktober 2026"
    assert "," in said["services"][0]["availability"]
    assert "9,00 EUR" in said["credit"]["text"]
    assert said["outages"][0]["probes"][3][3] == "Serverfehler"


def test_a_month_with_a_clock_change_is_drawn_whole(facts: StatementFacts) -> None:
    """October 2026 in Berlin begins on a Thursday and has 31 days, one of 25 hours."""
    weeks = content(facts, "en")["calendars"][0]["weeks"]
    days = [d for week in weeks for d in week if d["inside"]]
    assert [d["day"] for d in days] == [str(n) for n in range(1, 32)]
    assert weeks[0].index(days[0]) == 3
    assert [bool(d["down"]) for d in days[8:10]] == [True, False]
    assert any(kind == "excluded" for _, _, kind in days[8]["bars"])


def test_a_long_outage_shows_how_it_began_and_ended(facts: StatementFacts) -> None:
    """The last good probes before it, the first and last bad ones, the first good ones after; the rest is counted."""
    outage = content(facts, "en")["outages"][0]
    real = facts.evaluation.service("api").outages[0]
    inside = [p for p in next(iter(facts.probes.values())) if real.start <= p.at < real.end]
    outcomes = [row[3] for row in outage["probes"]]
    assert outcomes == ["ok"] * 2 + ["server error"] * (SHOWN_PROBES - 4) + ["ok"] * 2
    assert f"{len(inside) - (SHOWN_PROBES - 4)} more probes" in outage["more"]
    assert outage["more_after"] == 2 + (SHOWN_PROBES - 4) // 2


def test_windows_say_why_they_count(facts: StatementFacts) -> None:
    """A window announced too late, and one that never excuses a service."""
    treatments = {row[-1] for row in content(facts, "en")["excuses"]}
    assert treatments == {
        "counts: announced too late",
        "counts: maintenance never excuses this service",
        "left out",
    }


@pytest.mark.parametrize("language", words.LANGUAGES)
def test_the_same_facts_make_the_same_bytes(facts: StatementFacts, language: str) -> None:
    """Typesetting is repeatable; text from outside is never taken for markup."""
    said = content(facts, language)
    first = render(said, made_at=facts.made_at, evidence=b"evidence", evidence_name="example-2026-10.slaproof")
    assert first == render(said, made_at=facts.made_at, evidence=b"evidence", evidence_name="example-2026-10.slaproof")
    assert json.loads(json.dumps(said)) == said


def _run(*command: str | Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_other_programs_accept_the_signed_file(facts: StatementFacts, tmp_path: Path) -> None:
    """qpdf, poppler and pyhanko read it: structure, text, language, attachment and signature."""
    for program in ("pdfinfo", "pdftotext", "pdfdetach", "pdfsig", "qpdf"):
        need(program)
    said = content(facts, "de")
    pages = render(said, made_at=facts.made_at, evidence=b"evidence", evidence_name="example-2026-10.slaproof")
    identity = own_identity(b"s" * 32, "Example GmbH", START)
    file = tmp_path / "example.pdf"
    signed = sign_pages(pages, identity, reason="test")
    assert signed.startswith(pages), "signing adds, it changes nothing"
    file.write_bytes(signed)
    _run("qpdf", "--check", file)
    assert "Tagged:          yes" in _run("pdfinfo", file)
    text = _run("pdftotext", "-layout", file, "-")
    assert content(facts, "de")["services"][0]["availability"].removesuffix("\u202f%") in text
    assert "HTTP 503 <busy> & #[sorry]" in text
    _run("pdfdetach", "-saveall", "-o", tmp_path, file)
    assert (tmp_path / "example-2026-10.slaproof").read_bytes() == b"evidence"
    assert "Signature is Valid" in _run("pdfsig", "-nocert", file)
    _pyhanko_accepts(signed, identity.certificate)


def _pyhanko_accepts(signed: bytes, root: object) -> None:
    from asn1crypto import x509 as asn1_x509
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    assert isinstance(root, x509.Certificate)
    trusted = asn1_x509.Certificate.load(root.public_bytes(Encoding.DER))
    context = ValidationContext(trust_roots=[trusted], moment=dt.datetime(2026, 11, 2, tzinfo=dt.UTC))
    status = validate_pdf_signature(PdfFileReader(io.BytesIO(signed)).embedded_signatures[0], context)
    assert (status.intact, status.valid) == (True, True)


def test_an_own_identity_is_the_same_each_time() -> None:
    """It follows from the secret; its name for logs holds no key."""
    one, two = (own_identity(b"s" * 32, "A", START) for _ in range(2))
    assert one.fingerprint == two.fingerprint
    assert own_identity(b"t" * 32, "A", START).fingerprint != one.fingerprint
    assert repr(one) == f"PageIdentity({one.fingerprint})"


def test_what_is_no_pdf_is_not_signed() -> None:
    """The message says that it could not be signed."""
    with pytest.raises(CannotSign, match="could not be signed"):
        sign_pages(b"no pdf", own_identity(b"s" * 32, "A", START), reason="test")
