"""A generated month: sealed day by day, proved, verified, corrected, proved again."""

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from monitor.judgement.events import make
from monitor.keys import Keys, load_keys, rotate_key
from monitor.proof.container import read_container
from monitor.proof.proven import read_proven
from monitor.proof.verdict import Verdict
from monitor.proof.verify import Known, verify
from monitor.proving.prover import CannotProve, Made, Prover, Wanted
from monitor.proving.recount import recount
from monitor.sandbox.history import DAY
from monitor.sla.evaluate import evaluate
from monitor.sla.reading import read_contract
from monitor.statement.sign import own_identity
from monitor.store import Event, Row
from monitor.store.proofs import ProofRecord
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock
from tests.proving.month import END, START, fill, mail_targets, new_keys, new_store, sealer
from tests.servers import need

WANTED = Wanted(contract="example", period="2026-10", customer="Example GmbH")


class Bench(NamedTuple):
    """An open store with what proving needs."""

    folder: Path
    store: SqliteStore
    clock: FakeClock
    keys: Keys

    async def prove(self, wanted: Wanted = WANTED) -> Made | ProofRecord:
        secret = await self.store.ledger.secret(b"n" * 32)
        prover = Prover(self.store, self.keys, own_identity(b"s" * 32, "Example GmbH", START), secret)
        return await asyncio.to_thread(prover.prove, wanted, self.clock.now_ms())

    def check(self, data: bytes) -> Verdict:
        return verify(data, Known(keys=(self.keys.signer.key,)), recount)


@pytest.fixture(scope="module")
def sealed_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with October sealed, and the key that sealed it."""
    folder = tmp_path_factory.mktemp("month")

    async def build() -> None:
        clock = FakeClock(START - 2 * DAY)
        store = new_store(folder, clock)
        keys = new_keys(folder)
        await fill(store, clock, start=START - 2 * DAY, end=END + 2 * DAY)
        clock.set_ms(END + 2 * DAY + 600_000)
        done = await sealer(store, clock, keys).step()
        assert [getattr(one, "kind", "") for one in done] == ["day"] * 35
        store.close()

    asyncio.run(build())
    return folder


@pytest.fixture
async def bench(sealed_folder: Path, tmp_path: Path) -> AsyncIterator[Bench]:
    """A copy of the sealed month of its own."""
    shutil.copytree(sealed_folder, tmp_path, dirs_exist_ok=True)
    clock = FakeClock(END + 2 * DAY + 700_000)
    store = new_store(tmp_path, clock)
    yield Bench(tmp_path, store, clock, load_keys(tmp_path / "slaproof.key"))
    store.close()


async def test_a_month_is_proved_and_verified(bench: Bench) -> None:
    """Every step of the verification holds; only the outside timestamps are missing."""
    made = await bench.prove()
    assert isinstance(made, Made)
    verdict = bench.check(made.pdf)
    assert verdict.status == "VALID BUT"
    assert [step.name for step in verdict.steps if step.state == "but"] == ["timestamps"]
    assert b"rival" not in made.bundle
    assert b"alone" not in made.bundle


async def test_the_proof_says_what_the_judgement_says(bench: Bench) -> None:
    """The evaluation from the sealed rows is the one from the store's rows."""
    from decimal import Decimal

    from monitor.config.yamlfile import loads
    from monitor.judgement.events import fold
    from monitor.sla.contract import Terms
    from monitor.sla.values import TargetSpec
    from tests.proving.month import CONTRACT

    made = await bench.prove()
    assert isinstance(made, Made)
    terms = Terms(
        name="example",
        contract=read_contract(loads(CONTRACT, "c").data),
        fee=Decimal(90),
        currency="EUR",
        billing_day=1,
    )
    targets = [TargetSpec(name=n, service=s, interval_ms=300_000) for n, s in (("mail-api", "api"), ("relay", "smtp"))]
    rows = bench.store.reader.observations(START - DAY, END + DAY, targets=["mail-api", "relay"])
    events = fold(bench.store.reader.events(), "example").events
    direct = evaluate(terms, targets, rows, events, period="2026-10", now=bench.clock.now_ms())
    assert made.evaluation.answer() == direct.answer()
    assert any(service.outages for service in made.evaluation.services), "a month without outages would prove little"


async def test_pages_that_say_something_else_show(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that the evidence does not give are refused; those of another version are said to be unchecked."""
    from monitor.proving import prover
    from monitor.proving import recount as recounting

    one = await bench.prove()
    monkeypatch.setattr(prover, "program", lambda: "slaproof 0.0.1")
    two = await bench.prove()
    assert isinstance(one, Made)
    assert isinstance(two, Made)
    assert bench.check(two.bundle).status == "VALID BUT", "other versions may well use the same words"
    told = recounting.words_of
    monkeypatch.setattr(recounting, "words_of", lambda *given: {**told(*given), "heading": "another"})
    verdict = bench.check(one.bundle)
    assert verdict.status == "INVALID"
    assert any("statement.json: words" in place for place in verdict.places())
    steps = [(step.state, step.text) for step in bench.check(two.bundle).steps if step.name == "evaluation"]
    assert [state for state, _ in steps] == ["but", "good"]
    assert "worded by slaproof 0.0.1" in steps[0][1]


async def test_the_same_ledger_makes_the_same_proof(bench: Bench) -> None:
    """Bundle and pages are the same to the byte before the signature."""
    one, two = await bench.prove(), await bench.prove()
    assert isinstance(one, Made)
    assert isinstance(two, Made)
    assert one.bundle == two.bundle
    cut = one.pdf.rindex(b"%%EOF", 0, one.pdf.index(b"/Type /Sig")) if b"/Type /Sig" in one.pdf else len(one.bundle)
    assert one.pdf[:cut] == two.pdf[:cut]


async def test_a_correction_makes_a_revision_that_names_what_changed(bench: Bench) -> None:
    """The old statement stays; the new one says which it amends, and why."""
    first = await bench.prove()
    assert isinstance(first, Made)
    path = bench.folder / first.file_name
    path.write_bytes(first.pdf)
    record = ProofRecord(
        contract="example", period="2026-10", revision=1, language="en", made_at=bench.clock.now_ms(), path=str(path),
        sha256="0" * 64, size=1, bundle_sha256="ab" * 32, content_sha256=first.content_sha256,
    )  # fmt: skip
    await bench.store.proofs.add(record)
    assert await bench.prove() == record, "nothing has changed, so nothing is made again"
    outage = next(o for s in first.evaluation.services for o in s.outages)
    data = {"contract": "example", "start": outage.start, "end": outage.end, "reason": "customer_error"}
    await bench.store.writer.put_event(make("exclusion", data, source="cli"))
    same = await bench.prove()
    assert same == record, "what is not sealed yet is not proved"
    bench.clock.set_ms(END + 3 * DAY + 600_000)
    assert len(await sealer(bench.store, bench.clock, bench.keys).step()) == 1
    second = await bench.prove(replace(WANTED, why="our own key had expired"))
    assert isinstance(second, Made)
    assert second.revision == 2
    assert second.file_name == "example-2026-10-r2.pdf"
    assert any("exclusions: 1 were added" in change for change in second.changes)
    assert any("excluded_ms" in change for change in second.changes)
    verdict = bench.check(second.pdf)
    assert verdict.status == "VALID BUT"
    assert verdict.facts["amends"]["sha256"] == "ab" * 32


async def test_later_days_are_withheld(bench: Bench) -> None:
    """The chain goes on to the newest seal; what was observed after the period is not shown, and changes nothing."""
    made = await bench.prove()
    assert isinstance(made, Made)
    proven = read_proven(read_container(made.bundle))
    assert proven.about["days"] == ["2026-09-30", "2026-10-31"]
    assert proven.entries[-1].day == "2026-11-02"
    shown = [one.day for one in proven.entries for g in one.groups.values() if g.segments]
    assert max(shown) == "2026-10-31"
    assert all(row.at < END + 300_000 for _, _, row in proven.rows())
    assert proven.about["made"] == "2026-11-03T00:11:40.000Z"


async def test_what_comes_late_is_a_supplement(bench: Bench) -> None:
    """An observation that was recorded after its day was sealed: shortly after midnight, so of the slot before."""
    late = Row(
        at=START + 5 * DAY + 12_345, target="relay", location="main", scheduled=False, outcome="timeout", duration_ms=10
    )
    await bench.store.writer.put_row(late)
    done = await sealer(bench.store, bench.clock, bench.keys).step()
    assert [(getattr(one, "kind", ""), one.day) for one in done] == [("supplement", "2026-10-05")]
    assert await sealer(bench.store, bench.clock, bench.keys).step() == []
    made = await bench.prove()
    assert isinstance(made, Made)
    assert bench.check(made.pdf).status == "VALID BUT"


async def test_a_clock_set_back_across_a_seal_seals_nothing(bench: Bench) -> None:
    """It is refused, explained and recorded once; when the clock has passed the seal again, it goes on."""
    one = sealer(bench.store, bench.clock, bench.keys)
    bench.clock.set_ms(END)
    assert await one.step() == []
    assert await one.step() == []
    assert one.refusal is not None
    assert "before the last seal" in one.refusal.why
    assert len(bench.store.reader.events(kinds=["seal_refused"])) == 1
    bench.clock.set_ms(END + 3 * DAY + 600_000)
    kinds = [getattr(done, "kind", "") for done in await one.step()]
    assert kinds == ["day", "supplement"], "the refusal itself was recorded on a day that had been sealed"
    assert one.refusal is None


async def test_a_rotated_key_goes_on_with_the_same_chain(bench: Bench) -> None:
    """Days sealed by the old key and by the new one stand in one proof; either key vouches for it."""
    bench.clock.set_ms(END + 3 * DAY + 600_000)
    rotated = rotate_key(bench.folder / "slaproof.key", bench.clock.now_ms())
    await sealer(bench.store, bench.clock, rotated).step()
    made = await bench._replace(keys=rotated).prove()
    assert isinstance(made, Made)
    for key in (bench.keys.signer.key, rotated.signer.key):
        assert verify(made.pdf, Known(keys=(key,)), recount).status == "VALID BUT"


async def test_what_cannot_be_proved_says_why(bench: Bench) -> None:
    """A month before the first seal, and a contract that no day shows."""
    with pytest.raises(CannotProve, match="No day of 2026-01 is sealed"):
        await bench.prove(Wanted(contract="example", period="2026-01"))
    with pytest.raises(CannotProve, match="No sealed day shows a contract called 'nobody'"):
        await bench.prove(Wanted(contract="nobody", period="2026-10"))


@pytest.fixture
async def days(tmp_path: Path) -> AsyncIterator[Bench]:
    """A few days of two targets, nothing sealed."""
    clock = FakeClock(START - DAY)
    store = new_store(tmp_path, clock)
    keys = new_keys(tmp_path)
    await fill(store, clock, start=START - DAY, end=START + 3 * DAY, targets=mail_targets(300_000), seed=40)
    yield Bench(tmp_path, store, clock, keys)
    store.close()


async def test_heartbeats_through_the_day_agree_with_its_seal(days: Bench) -> None:
    """Each commits to the day so far; the day's seal commits to them, and the verifier compares."""
    clock, one = days.clock, sealer(days.store, days.clock, days.keys)
    beats = 0
    for hour in range(24, 24 * 4 + 1):
        clock.set_ms(START - DAY + hour * 3_600_000 + 300_000)
        beats += sum(type(x).__name__ == "LedgerHeartbeat" for x in await one.step())
    assert beats > 60
    found = {}
    for shown in (True, False):
        made = await days.prove(replace(WANTED, heartbeats=shown))
        assert isinstance(made, Made)
        verdict = days.check(made.bundle)
        assert verdict.status == "VALID BUT"
        found[shown] = [(s.state, s.text) for s in verdict.steps if s.name == "heartbeats"]
    assert [state for state, _ in found[True]] == ["good"]
    assert [(state, "not opened here" in text) for state, text in found[False]] == [("note", True)]


async def test_a_clock_set_back_within_a_day_spoils_no_proof(days: Bench) -> None:
    """What is entered then stands by its time, or in a supplement where a heartbeat had spoken for that time."""
    store, clock, one = days.store, days.clock, sealer(days.store, days.clock, days.keys)

    async def told(note: str) -> None:
        data = {"contract": "example", "services": ["api"], "reason": "customer_error", "note": note,
                "start": "2026-10-02T11:00:00Z", "end": "2026-10-02T11:05:00Z"}  # fmt: skip
        await store.writer.put_event(make("exclusion", data, source="cli"))

    noon = START + DAY + DAY // 2
    for hour in range(24 + 11):
        clock.set_ms(START + hour * 3_600_000 + 300_000)
        await one.step()
    clock.set_ms(noon - 240_000)
    await told("before the heartbeat")
    clock.set_ms(noon + 300_000)
    await one.step()
    await told("after the heartbeat")
    clock.set_ms(noon - 300_000)
    step = {"reason": "clock_stepped_back", "ms": 600_000, "from": noon - 300_000, "to": noon + 300_000}
    await store.writer.put_event(Event(kind="clock_step", at=noon - 300_000, data=step))
    await told("in the time repeated")
    clock.set_ms(START + 2 * DAY + 600_000)
    sealed = await one.step()
    assert [getattr(entry, "kind", "heartbeat") for entry in sealed] == ["day", "supplement"]
    for shown in (True, False):
        made = await days.prove(replace(WANTED, heartbeats=shown))
        assert isinstance(made, Made)
        assert [step.text for step in days.check(made.bundle).steps if step.state == "bad"] == []


async def test_other_programs_read_the_statement(bench: Bench) -> None:
    """qpdf finds no fault, pdfdetach gets the bundle back, pdfsig says that the signature is valid."""
    for program in ("qpdf", "pdfdetach", "pdfsig"):
        need(program)
    made = await bench.prove(Wanted(contract="example", period="2026-10", language="de"))
    assert isinstance(made, Made)
    path = bench.folder / "statement.pdf"
    path.write_bytes(made.pdf)

    def run(*command: str | Path) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    run("qpdf", "--check", path)
    run("pdfdetach", "-saveall", "-o", bench.folder, path)
    assert (bench.folder / "example-2026-10.slaproof").read_bytes() == made.bundle
    assert "Signature is Valid" in run("pdfsig", "-nocert", path)
