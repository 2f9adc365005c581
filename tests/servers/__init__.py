"""Real servers for tests: each on 127.0.0.1, on its own port, with its own configuration in a temporary folder.

The rules kept here:

1. A server is ended by the process ids that its start made known, never by name.
2. A port that was given out is not given out again, to this or to another run of the tests on this machine.
3. A server counts as started when it answers, not after a pause.
4. An absent program skips the test and says which; with ``SLAPROOF_NO_SKIP=1`` it fails it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import pytest

_T = TypeVar("_T")

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
# Where Debian puts programs that are not on everybody's PATH.
_FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/kannel/test", "/usr/lib/postfix/sbin")
# Below the ephemeral ports (from 32768), so that no outgoing connection can take a port between its choice and its use;
# above those that the sandbox has for good (19780 and on).
_FIRST_PORT, _LAST_PORT, _BLOCK = 20_000, 32_000, 50


def no_skip() -> bool:
    """Whether an absent server is a failure (as where everything was installed on purpose)."""
    return os.environ.get("SLAPROOF_NO_SKIP", "") not in ("", "0")


def absent(reason: str) -> None:
    """Skip the test with this reason, or fail it where nothing may be skipped."""
    if no_skip():
        pytest.fail(f"{reason} (SLAPROOF_NO_SKIP is set)")
    pytest.skip(reason)


def campaign(main: Callable[[], int]) -> int:
    """Run a program of the tests outside pytest: what is absent here is told in a line; returns its exit code."""
    try:
        return main()
    except (pytest.skip.Exception, pytest.fail.Exception) as absence:
        print(f"This cannot run here: {absence.msg}. docs/testing.md says what the tests use.", file=sys.stderr)
        return 2


def need(program: str) -> str:
    """The path of this program; the test is skipped (or failed, see `absent`) where it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_FOLDERS))
    found = shutil.which(program, path=path)
    if found is None:
        absent(f"needs {program}, which is not installed")
        raise AssertionError(program)  # absent() has raised
    return found


def need_root() -> None:
    """Skip the test (or fail it) unless it runs as root: some servers change to their own user, namespaces need it."""
    if os.geteuid() != 0:
        absent("needs root")


def need_node_module(name: str) -> Path:
    """The folder ``node_modules`` that holds this npm package: from ``SLAPROOF_NODE_MODULES`` or ``.ci/npm``."""
    folder = Path(os.environ.get("SLAPROOF_NODE_MODULES") or ROOT / ".ci" / "npm" / "node_modules")
    if not (folder / name / "package.json").exists():
        absent(f"needs the npm package {name} (npm --prefix .ci/npm ci)")
    return folder


def free_port(host: str = HOST) -> int:
    """A TCP and UDP port that is free on every address and stays reserved for this process (rule 2)."""
    with _reserving:
        return next(port for port in _reserved if _bindable(port, host))


def _reserve() -> Iterator[int]:
    """Ports that are reserved for this process, by blocks: a descriptor for each would hide those that leak."""
    blocks = list(range(_FIRST_PORT, _LAST_PORT, _BLOCK))
    random.shuffle(blocks)
    for first in blocks:
        # A name in the kernel's abstract namespace is held as long as this process lives, and leaves nothing behind.
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(f"\0slaproof-test-ports-{first}")
        except OSError:
            holder.close()
            continue
        _reservations.add(holder.detach())
        yield from range(first, first + _BLOCK)
    raise RuntimeError("no free port")


_reservations: set[int] = set()
_reserved = _reserve()
_reserving = threading.Lock()


def descriptors() -> dict[int, str]:
    """What this process has open, by number, apart from the ports that it reserved."""
    found = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the folder that is being read is gone by now
            found[int(entry.name)] = str(entry.readlink())
    return {number: what for number, what in found.items() if number not in _reservations}


def _bindable(port: int, host: str) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        # Also on 0.0.0.0: some servers insist on all addresses.
        for address in {host, "0.0.0.0"}:
            with socket.socket(socket.AF_INET, kind) as probe:
                try:
                    probe.bind((address, port))
                except OSError:
                    return False
    return True


def eventually(what: Callable[[], _T], *, within: float = 10.0, step: float = 0.01, because: str = "") -> _T:
    """The first true value of ``what()``; AssertionError after ``within`` seconds. Its OSErrors count as "not yet"."""
    end = time.monotonic() + within
    while True:
        seen: object = None
        try:
            value = what()
        except OSError as error:
            seen = error
        else:
            if value:
                return value
            seen = value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {within} s: {because or what}; last seen: {seen!r}")
        time.sleep(step)


def answers(port: int, host: str = HOST) -> bool:
    """Whether a TCP connection to this port is accepted."""
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _living() -> Iterator[tuple[int, int, int]]:
    """Every living process: its id, its parent's, its session's."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            # The name in brackets may hold anything; what follows the last bracket is "state parent group session ...".
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] not in ("Z", "X"):
                yield int(entry.name), int(fields[1]), int(fields[3])


def descendants(pid: int) -> list[int]:
    """This process and all its living children, parents first."""
    children: dict[int, list[int]] = {}
    for one, parent, _ in _living():
        children.setdefault(parent, []).append(one)
    family, waiting = [], [pid]
    while waiting:
        one = waiting.pop(0)
        family.append(one)
        waiting.extend(children.get(one, ()))
    return family


def _stands(pid: int) -> bool:
    """Whether every thread of a process is stopped (or gone)."""
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            if (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in ("T", "t", "Z", "X"):
                return False
    return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


class Process:
    """One program under test: started in a process group of its own, ended with all its children by their ids.

    ``ready`` is asked until it says yes; by default a connection to each of ``ports`` must be accepted. What the
    program prints goes to ``log``, which `output` reads.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        ports: Sequence[int] = (),
        ready: Callable[[], bool] | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        within: float = 15.0,
        end_signal: int = signal.SIGTERM,
        patience: float = 5.0,
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.log = log
        self.ports = tuple(ports)
        self._ready = ready
        self._cwd = cwd
        self._env = env
        self._within = within
        self._end_signal = end_signal
        self._patience = patience
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; the program must be running."""
        assert self._child is not None, "not started"
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def output(self) -> str:
        """What the program printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> Self:
        """Start the program and wait until it is ready."""
        assert not self.running, "already started"
        environment = {**os.environ, **(self._env or {})}
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._cwd,
                env=environment,
                start_new_session=True,
            )
        try:
            eventually(self._is_ready, within=self._within, because=f"{self.argv[0]} ready")
        except BaseException as error:
            self.stop()
            error.add_note(f"{' '.join(self.argv)} printed:\n{self.output[-4000:]}")
            raise
        return self

    def _is_ready(self) -> bool:
        assert self._child is not None
        if (code := self._child.poll()) is not None:
            raise AssertionError(f"{self.argv[0]} ended with {code}")
        if self._ready is not None:
            return self._ready()
        return all(answers(port) for port in self.ports)

    def stop(self) -> None:
        """End the program and its children: asked first, killed after a while. One that does not run is left so."""
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            self.resume()
            _signal(child.pid, self._end_signal)
        try:
            child.wait(self._patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        # Children may outlive their parent for a moment and hold its ports. The session, which began with the program,
        # tells which processes are its children and no stranger's.
        end = time.monotonic() + 5
        while orphans := [pid for pid, _, session in _living() if session == child.pid]:
            for pid in orphans:
                _signal(pid, signal.SIGKILL)
            assert time.monotonic() < end, f"cannot be ended: {orphans}"
            time.sleep(0.002)
        self._child = None

    def kill(self) -> None:
        """End the program at once, as a power cut would (SIGKILL)."""
        if self.running:
            for pid in descendants(self.pid):
                _signal(pid, signal.SIGKILL)
        self.stop()

    def suspend(self) -> None:
        """Stop the program and its children where they stand (SIGSTOP): it accepts connections and answers nothing."""

        def stand() -> bool:
            # A signal is on its way for a while, and until a parent has heard it, it may have one more child.
            family = descendants(self.pid)
            if all(_stands(pid) for pid in family):
                return True
            for pid in family:
                _signal(pid, signal.SIGSTOP)
            return False

        eventually(stand, because="suspended")

    def resume(self) -> None:
        """Let a suspended program go on (SIGCONT)."""
        for pid in descendants(self.pid):
            _signal(pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop and start; the ports stay the same."""
        self.stop()
        self.start()

    def signal(self, number: int) -> None:
        """Send a signal to the program (not to its children)."""
        _signal(self.pid, number)

    def __enter__(self) -> Self:
        return self if self.running else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class Server:
    """What the servers here have in common: a folder, one or more processes, `start` to `restart`, and their log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.processes: list[Process] = []

    def start(self) -> Self:
        """Start all processes, in order; each is ready before the next is started."""
        try:
            for process in self.processes:
                process.start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End all processes, the last one first."""
        for process in reversed(self.processes):
            process.stop()

    def suspend(self) -> None:
        """Stop all processes where they stand (SIGSTOP)."""
        for process in self.processes:
            process.suspend()

    def resume(self) -> None:
        """Let all suspended processes go on."""
        for process in self.processes:
            process.resume()

    def restart(self) -> None:
        """Stop and start again, on the same ports and with the same data."""
        self.stop()
        self.start()

    @property
    def running(self) -> bool:
        """Whether every process runs."""
        return all(process.running for process in self.processes)

    @property
    def output(self) -> str:
        """What all processes printed so far."""
        return "".join(process.output for process in self.processes)

    def __enter__(self) -> Self:
        return self if self.running and self.processes else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


@contextlib.contextmanager
def refused_port() -> Iterator[int]:
    """A port on which nothing listens, so that a connection is refused."""
    port = free_port()
    assert not answers(port), f"something listens on {port}"
    yield port


def short_folder(name: str) -> Path:
    """A new folder with a short path that other users may pass through; the caller removes it.

    For servers that change their user (pytest's own folders are closed to others) or whose sockets have long names (a
    path of a socket has at most 107 bytes).
    """
    folder = Path(tempfile.mkdtemp(prefix=f"slaproof-{name}-", dir="/tmp"))
    folder.chmod(0o711)
    return folder
