"""Outside witnesses: a real timestamping authority, a file, a receiver, a git remote."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509

from monitor.keys import load_keys
from monitor.proof.verify import Known, verify
from monitor.proving.prover import Made, Prover, Wanted
from monitor.proving.recount import recount
from monitor.proving.settings import Timestamping, Witness
from monitor.sandbox.history import DAY
from monitor.sealing.witnesses import WitnessFailed, copy_to, stamp, stamp_entries
from monitor.statement.sign import own_identity
from monitor.store.sqlite import SqliteStore
from tests.fakes import FakeClock
from tests.proving.month import START, fill, mail_targets, new_keys, new_store, sealer
from tests.servers import free_port
from tests.servers.tsa import Tsa

TARGETS = mail_targets(900_000)


def call(*command: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=check)


def openssl_verifies(token: Path, data: Path, tsa: Tsa) -> bool:
    done = call("openssl", "ts", "-verify", "-token_in", "-in", token, "-data", data, "-CAfile", tsa.root,
                "-untrusted", tsa.signer, check=False)  # fmt: skip
    return done.returncode == 0 and "Verification: OK" in done.stdout + done.stderr


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[SqliteStore]:
    with new_store(tmp_path, clock) as made:
        yield made


async def sealed_days(store: SqliteStore, clock: FakeClock, folder: Path, days: int) -> None:
    """So many sealed days."""
    await fill(store, clock, start=START, end=START + days * DAY, targets=TARGETS)
    clock.set_ms(START + days * DAY + 600_000)
    await sealer(store, clock, new_keys(folder)).step()


async def test_an_authority_stamps_each_checkpoint(
    store: SqliteStore, clock: FakeClock, tmp_path: Path, tsa: Tsa
) -> None:
    """OpenSSL's own authority; each checkpoint once; OpenSSL verifies the token, and so does our verifier."""
    await sealed_days(store, clock, tmp_path, 3)
    settings = Timestamping(url=tsa.url, ca=tsa.root)
    entries = store.ledger.entries()
    assert await stamp_entries(settings, store.ledger, entries, clock) == 3
    assert await stamp_entries(settings, store.ledger, entries, clock) == 0
    token, data = tmp_path / "token", tmp_path / "note"
    token.write_bytes(store.ledger.timestamps("log/1")[0].token)
    data.write_text(entries[1].note)
    assert openssl_verifies(token, data, tsa)
    data.write_text(entries[2].note)
    assert not openssl_verifies(token, data, tsa)


async def test_a_proof_with_timestamps_and_a_known_key_is_valid(
    store: SqliteStore, clock: FakeClock, tmp_path: Path, tsa: Tsa
) -> None:
    """Nothing is missing but the rest of the month, which has not come yet."""
    await sealed_days(store, clock, tmp_path, 3)
    await stamp_entries(Timestamping(url=tsa.url, ca=tsa.root), store.ledger, store.ledger.entries(), clock)
    keys = load_keys(tmp_path / "slaproof.key")
    prover = Prover(store, keys, own_identity(b"s" * 32, "E", START), await store.ledger.secret(b"n" * 32))
    made = await store.run(prover.prove, Wanted(contract="example", period="2026-10", tsa=tsa.url), clock.now_ms())
    assert isinstance(made, Made)
    authorities = tuple(x509.load_pem_x509_certificates(tsa.root.read_bytes()))
    verdict = verify(made.pdf, Known(keys=(keys.signer.key,), authorities=authorities), recount)
    missing = [step.name for step in verdict.steps if step.state == "but"]
    assert missing == ["days"], [step.text for step in verdict.steps if step.state != "good"]
    assert "still running" in next(step.text for step in verdict.steps if step.state == "but")


@pytest.mark.parametrize("fault", ["500", "garbage"])
async def test_an_authority_that_fails_is_said_to(tsa: Tsa, fault: str) -> None:
    """What it gave is not kept, and why is said."""
    tsa.fault = fault
    with pytest.raises(WitnessFailed, match=r"127\.0\.0\.1"):
        await stamp(Timestamping(url=tsa.url, ca=tsa.root), b"data")


async def test_copies_go_to_file_post_and_git(store: SqliteStore, clock: FakeClock, tmp_path: Path) -> None:
    """Each witness gets every checkpoint once, in order; what is added later follows."""
    await sealed_days(store, clock, tmp_path, 2)
    notes = [entry.note for entry in store.ledger.entries()]
    taken: list[str] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.text())
        return web.Response()

    app, port = web.Application(), free_port()
    app.router.add_post("/", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    remote = tmp_path / "remote.git"
    call("git", "init", "--quiet", "--bare", remote)
    witnesses = [
        Witness(name="file", file="checkpoints.txt"),
        Witness(name="post", post=f"http://127.0.0.1:{port}/"),
        Witness(name="git", git=str(remote)),
    ]
    for witness in witnesses:
        assert await copy_to(witness, store.ledger, clock, base=tmp_path) == 2
        assert await copy_to(witness, store.ledger, clock, base=tmp_path) == 0
    await runner.cleanup()
    assert (tmp_path / "checkpoints.txt").read_text() == "".join(f"{note}\n" for note in notes)
    assert taken == notes
    shown = call("git", "-C", remote, "show", "slaproof-checkpoints:00000001.txt").stdout
    assert shown == notes[1]
    assert set(store.ledger.witnesses("log/1")) == {"file", "post", "git"}


async def test_a_witness_that_is_away_gets_it_later(store: SqliteStore, clock: FakeClock, tmp_path: Path) -> None:
    """It is said why, and nothing is noted as delivered."""
    await sealed_days(store, clock, tmp_path, 1)
    away = Witness(name="post", post=f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(WitnessFailed, match=r"127\.0\.0\.1"):
        await copy_to(away, store.ledger, clock, base=tmp_path)
    assert store.ledger.unwitnessed("post") == [0]


async def test_heartbeats_of_the_day_go_out_as_well(store: SqliteStore, clock: FakeClock, tmp_path: Path) -> None:
    """Whoever keeps copies has each heartbeat within the day, once; by mail only where that was asked for."""
    keys = new_keys(tmp_path)
    await fill(store, clock, start=START, end=START + DAY, targets=TARGETS)
    beating = sealer(store, clock, keys)
    witness = Witness(name="file", file="checkpoints.txt")
    for hour in (2, 4):
        clock.set_ms(START + hour * 3_600_000)
        await beating.step()
        assert await copy_to(witness, store.ledger, clock, base=tmp_path) == 1
        assert await copy_to(witness, store.ledger, clock, base=tmp_path) == 0
    notes = [beat.note for beat in store.ledger.heartbeats("2026-10-01")]
    assert (tmp_path / "checkpoints.txt").read_text() == "".join(f"{note}\n" for note in notes)
    assert "/heartbeat/2026-10-01\n2\n" in notes[1]
    mail = Witness.model_validate(
        {"name": "m", "mail": {"host": "mx.example", "from": "a@x.example", "to": "b@x.example"}}
    )
    assert not mail.wants_heartbeats
    assert mail.model_copy(update={"heartbeats": True}).wants_heartbeats
    assert not witness.model_copy(update={"heartbeats": False}).wants_heartbeats
