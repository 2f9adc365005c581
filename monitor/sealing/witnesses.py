"""Outside witnesses of the checkpoints: timestamping authorities, and places that get a plain copy.

Each checkpoint goes to each witness once it is durable, in order, until the witness took it. None of them can delay a
seal; each is off unless configured.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from cryptography import x509

from monitor.clock import Clock
from monitor.notify.senders import MailSender, NotTaken
from monitor.notify.text import Text
from monitor.proof import cms
from monitor.proof.ledger import day_name
from monitor.proving.settings import Timestamping, Witness
from monitor.sla.instants import DAY_MS
from monitor.store.ledger import Ledger, LedgerEntry, LedgerHeartbeat, Timestamp
from probes._tls import TlsSettings, context

log = logging.getLogger(__name__)

TIMEOUT_S = 30.0
_MOST = 1 << 20


class WitnessFailed(Exception):
    """The witness did not take it; the text says why. It is tried again."""


# --- timestamps -----------------------------------------------------------------------------------------------------


async def stamp(settings: Timestamping, data: bytes) -> bytes:
    """A timestamp token (RFC 3161) over the data, checked. Raises WitnessFailed."""
    from asn1crypto import algos, core, tsp

    nonce = secrets.randbits(63)
    imprint = tsp.MessageImprint(
        {
            "hash_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
            "hashed_message": hashlib.sha256(data).digest(),
        }
    )
    request = tsp.TimeStampReq(
        {"version": "v1", "message_imprint": imprint, "nonce": core.Integer(nonce), "cert_req": True}
    )
    answer = await _post(settings.url, request.dump(), "application/timestamp-query")
    try:
        response = tsp.TimeStampResp.load(answer, strict=True)
        status = response["status"]["status"].native
        if status not in ("granted", "granted_with_mods"):
            raise WitnessFailed(f"{settings.url} refused: {status} {response['status']['status_string'].native or ''}")
        info = response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        if info["nonce"].native != nonce:
            raise WitnessFailed(f"{settings.url} answered another request: the nonce differs")
        token: bytes = response["time_stamp_token"].dump()
        cms.open_timestamp(token, data, _certificates(settings.ca))
    except (ValueError, KeyError, TypeError) as error:
        raise WitnessFailed(f"{settings.url} gave a timestamp that does not hold: {error}") from None
    return token


def _certificates(path: Path | None) -> Sequence[x509.Certificate]:
    return [] if path is None else x509.load_pem_x509_certificates(path.read_bytes())


async def stamp_entries(settings: Timestamping, ledger: Ledger, entries: Sequence[LedgerEntry], clock: Clock) -> int:
    """Stamps those checkpoints that have no timestamp yet; returns how many. Raises WitnessFailed."""
    done = 0
    for entry in entries:
        ref = f"log/{entry.index}"
        if await asyncio.to_thread(ledger.timestamps, ref):
            continue
        token = await stamp(settings, entry.note.encode())
        # A death here leaves the checkpoint without a timestamp: it is stamped again.
        await ledger.add_timestamp(Timestamp(ref=ref, authority=settings.url, at=clock.now_ms(), token=token))
        done += 1
    return done


# --- copies ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Copy:
    """A signed checkpoint as it goes out."""

    ref: str
    title: str
    file: str
    """What it is called where each has a file of its own."""
    at: int
    note: str


def _of_day(entry: LedgerEntry) -> _Copy:
    title = f"Checkpoint {entry.index} of {entry.day}"
    return _Copy(
        ref=f"log/{entry.index}", title=title, file=f"{entry.index:08d}.txt", at=entry.sealed_at, note=entry.note
    )


def _of_heartbeat(beat: LedgerHeartbeat) -> _Copy:
    title = f"Heartbeat {beat.index} of {beat.day}"
    file = f"{beat.day}-heartbeat-{beat.index:03d}.txt"
    return _Copy(ref=f"heartbeat/{beat.day}/{beat.index}", title=title, file=file, at=beat.at, note=beat.note)


async def copy_to(witness: Witness, ledger: Ledger, clock: Clock, *, base: Path) -> int:
    """Gives a witness every checkpoint that it has not got; returns how many. Raises WitnessFailed.

    Of heartbeats those of this day and the one before: what came before is held by its day's checkpoint.
    """
    copies = []
    for index in await asyncio.to_thread(ledger.unwitnessed, witness.name):
        entry = await asyncio.to_thread(ledger.entry, index)
        assert entry is not None
        copies.append(_of_day(entry))
    if witness.wants_heartbeats:
        yesterday = day_name(clock.now_ms() - DAY_MS)
        beats = await asyncio.to_thread(ledger.unwitnessed_heartbeats, witness.name, yesterday)
        copies += map(_of_heartbeat, beats)
    for copy in copies:
        detail = await _give(witness, copy, base)
        # A death here gives it once more: a witness that keeps copies keeps the same one twice.
        await ledger.witnessed(copy.ref, witness.name, clock.now_ms(), detail)
    return len(copies)


async def _give(witness: Witness, copy: _Copy, base: Path) -> str:
    if witness.file is not None:
        await asyncio.to_thread(_append, base / witness.file, copy.note)
        return witness.file
    if witness.post is not None:
        await _post(witness.post, copy.note.encode(), "text/plain; charset=utf-8")
        return witness.post
    if witness.git is not None:
        await _push(witness.git, base / f".witness-{witness.name}", copy)
        return witness.git
    assert witness.mail is not None
    text = Text(copy.title, tuple(copy.note.splitlines()))
    digest = hashlib.sha256(copy.note.encode()).hexdigest()
    try:
        return await MailSender(witness.mail).send(text, id=digest, at=copy.at, messages=[])
    except NotTaken as error:
        raise WitnessFailed(str(error)) from None


def _append(path: Path, note: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(note + "\n")
            file.flush()
    except OSError as error:
        raise WitnessFailed(f"{path} cannot be written: {error.strerror}") from None


async def _post(url: str, body: bytes, kind: str) -> bytes:
    trust = context(TlsSettings()) if url.startswith("https:") else True
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession() as session,
            session.post(url, data=body, headers={"Content-Type": kind}, ssl=trust, allow_redirects=False) as answer,
        ):
            said = await answer.content.read(_MOST)
            if not 200 <= answer.status < 300:
                raise WitnessFailed(f"{url} answered HTTP {answer.status}")
            return said
    except (aiohttp.ClientError, OSError) as error:
        raise WitnessFailed(f"{url}: {error or type(error).__name__}") from None


async def _push(remote: str, folder: Path, copy: _Copy) -> None:
    """One commit a checkpoint, on the branch `slaproof-checkpoints`."""
    if not (folder / ".git").is_dir():
        await _git(folder.parent, "init", "--quiet", "--initial-branch=slaproof-checkpoints", folder.name)
        await _git(folder, "remote", "add", "origin", remote)
    await asyncio.to_thread((folder / copy.file).write_text, copy.note, encoding="utf-8")
    await _git(folder, "add", copy.file)
    who = ("-c", "user.name=slaproof", "-c", "user.email=slaproof@localhost", "-c", "commit.gpgsign=false")
    await _git(folder, *who, "commit", "--quiet", "--allow-empty", "-m", copy.title)
    await _git(folder, "push", "--quiet", "origin", "slaproof-checkpoints")


async def _git(folder: Path, *arguments: str) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(folder), *arguments, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise WitnessFailed(f"git cannot be run: {error.strerror}") from None
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, said = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise WitnessFailed(f"git {arguments[0]} took longer than {TIMEOUT_S:g} s") from None
    if process.returncode:
        raise WitnessFailed(f"git {arguments[0]}: {said.decode('utf-8', 'replace').strip()[:300]}")
