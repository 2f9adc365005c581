"""The signing key: who may read it, how it is replaced, and what is left when that is interrupted."""

from __future__ import annotations

import ast
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor import keys
from monitor.keys import KeyRefused, load_keys, new_key, public_path, revoke_key, rotate_key

NAME = "monitor.example/slaproof"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the key stands."""
    return tmp_path / "slaproof.key"


def test_a_new_key_is_its_owner_s_alone(path: Path) -> None:
    """The private file is 0600, the public one is for everybody and does not hold the private key."""
    made = new_key(path, NAME)
    assert path.stat().st_mode & 0o777 == 0o600
    assert public_path(path).read_text() == f"{made.signer.key}\n"
    assert load_keys(path).signer.key == made.signer.key
    assert sorted(one.name for one in path.parent.iterdir()) == ["slaproof.key", "slaproof.key.pub"]


def test_a_key_is_never_overwritten(path: Path) -> None:
    """Making a key where there is one is refused."""
    new_key(path, NAME)
    before = path.read_bytes()
    with pytest.raises(KeyRefused, match="already"):
        new_key(path, NAME)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_key_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    """A key file that its group or the world can read is not used; the message says how to close it."""
    new_key(path, NAME)
    path.chmod(mode)
    with pytest.raises(KeyRefused, match=r"chmod 600"):
        load_keys(path)


def test_a_systemd_credential_may_be_read_by_its_group(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In systemd's own folder a credential is readable by its group, and nobody else gets into the folder."""
    new_key(path, NAME)
    path.chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(path.parent))
    assert keys.credential_path("slaproof.key") == path
    assert load_keys(keys.credential_path("slaproof.key")).signer.key.name == NAME
    path.chmod(0o444)
    with pytest.raises(KeyRefused):
        load_keys(path)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(KeyRefused, match="LoadCredential"):
        keys.credential_path("slaproof.key")


@pytest.mark.parametrize("text", ["", "PRIVATE+KEY+x", "\xff", "PRIVATE+KEY+" + "a" * 5000])
def test_a_malformed_key_is_refused_without_showing_it(path: Path, text: str) -> None:
    """What is no key is refused, and its text does not stand in the message."""
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(KeyRefused) as refused:
        load_keys(path)
    assert not text or text not in str(refused.value)


def test_a_missing_key_says_what_to_do(path: Path) -> None:
    """Without a key the message names the command that makes one."""
    with pytest.raises(KeyRefused, match="key new"):
        load_keys(path)
    path.mkdir()
    with pytest.raises(KeyRefused, match="plain file"):
        load_keys(path)


def test_a_rotation_is_signed_by_both(path: Path) -> None:
    """After a rotation the old key is linked to the new one, and the new one signs."""
    old = new_key(path, NAME).signer.key
    made = rotate_key(path, 1_790_000_000_000)
    assert made.signer.key != old
    assert made.ring.vouched([old]) == {old, made.signer.key}
    assert load_keys(path) == made
    again = rotate_key(path, 1_790_000_001_000)
    assert again.ring.vouched([old]) == {old, made.signer.key, again.signer.key}
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_monitor_s_history_is_refused(path: Path, tmp_path: Path) -> None:
    """A key whose history does not name it is refused."""
    new_key(path, NAME)
    new_key(tmp_path / "other.key", NAME)
    public_path(tmp_path / "other.key").replace(public_path(path))
    with pytest.raises(KeyRefused, match="another monitor"):
        load_keys(path)


def test_only_an_older_key_can_be_revoked(path: Path) -> None:
    """The key in use is rotated first; then the old one can be revoked, with a reason."""
    old = new_key(path, NAME).signer.key
    with pytest.raises(KeyRefused, match="rotate first"):
        revoke_key(path, old.id.hex(), 0, "stolen")
    with pytest.raises(KeyRefused, match="no key"):
        revoke_key(path, "00000000", 0, "stolen")
    rotate_key(path, 1_790_000_000_000)
    revoked = revoke_key(path, old.id.hex(), 1_790_000_002_000, "stolen").ring.revoked(old)
    assert revoked is not None
    assert revoked.reason == "stolen"
    with pytest.raises(KeyRefused, match="reason"):
        revoke_key(path, old.id.hex(), 0, "two\nlines")


@pytest.mark.parametrize("dies_at", range(1, 8))
def test_a_rotation_that_dies_leaves_one_key_in_use(path: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever step a rotation dies at, the key in use is the last that the history names, and rotating goes on."""
    old = new_key(path, NAME).signer.key
    steps = 0

    class Died(BaseException):
        pass

    def dying(real):
        def step(*args, **kwargs):
            nonlocal steps
            steps += 1
            if steps == dies_at:
                raise Died
            return real(*args, **kwargs)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying(Path.replace))
        patch.setattr(Path, "hardlink_to", dying(Path.hardlink_to))
        patch.setattr(os, "fsync", dying(os.fsync))
        with contextlib.suppress(Died):
            rotate_key(path, 1_790_000_000_000)
    found = load_keys(path)
    rotations = found.ring.rotations
    assert found.signer.key == (rotations[-1].new if rotations else old)
    ended = rotate_key(path, 1_790_000_001_000)
    assert len({rotation.old for rotation in ended.ring.rotations}) == len(ended.ring.rotations)
    assert load_keys(path).signer.key == ended.signer.key == ended.ring.rotations[-1].new
    assert ended.ring.vouched([old]) == set(ended.ring.keys)
    assert keys.interrupted(path) is None


def slaproof(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(
        [sys.executable, "-m", "monitor", *args], capture_output=True, text=True, cwd=cwd, env=env, check=False
    )


def test_the_commands(tmp_path: Path) -> None:
    """new, show, rotate and revoke say what they did and never print the private key."""
    made = slaproof("key", "new", "--name", NAME, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    private = (tmp_path / "slaproof.key").read_text().strip()
    rotated = slaproof("key", "rotate", cwd=tmp_path)
    old = made.stdout.splitlines()[-1].split("+")[1]
    revoked = slaproof("key", "revoke", old, "--reason", "stolen", cwd=tmp_path)
    shown = slaproof("key", "show", cwd=tmp_path)
    assert [done.returncode for done in (rotated, revoked, shown)] == [0, 0, 0]
    assert f"{old} was revoked: stolen" in shown.stdout
    again = slaproof("key", "new", "--name", NAME, cwd=tmp_path)
    assert (again.returncode, "already" in again.stderr) == (1, True)
    for done in (made, rotated, revoked, shown, again):
        assert private not in done.stdout + done.stderr
        assert "PRIVATE" not in done.stdout + done.stderr


def test_one_module_reads_the_private_key() -> None:
    """Nothing but monitor.keys parses or makes a private key."""
    for path in Path("monitor").rglob("*.py"):
        if path.as_posix() in ("monitor/keys.py", "monitor/proof/note.py"):
            continue
        names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name)}
        assert "SeedSigner" not in names, path
