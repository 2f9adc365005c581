"""Who holds a database: the lock beside it, and the look whether both are still the files that were opened.

A file that is removed or replaced under a program stays writable for it, and everything written is lost with its end.
So the daemon looks before each commit, and what it cannot keep waits, as while the disk is full.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from monitor.store import StoreRefused


class Hold:
    """A daemon's claim to a database."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises StoreRefused where another daemon has it."""
        self._path = path
        self._lock = _take(path)
        self._file: tuple[int, int] | None = None

    def begin(self) -> Callable[[], None]:
        """The database as it is now is the one that was opened; gives the look that is to come before each commit."""
        self._file = _which(self._path)
        return self.look

    def look(self) -> None:
        """Raises StoreRefused where the database was taken away, or another daemon has come to hold it."""
        try:
            file, lock = _which(self._path), _which(_beside(self._path))
        except OSError:  # the disk itself fails: writing will say how
            return
        if file != self._file:
            what = "was removed" if file is None else "was replaced by another file"
            raise StoreRefused(
                f"{self._path} {what} while in use: put the file back that was there, or restart slaproof"
            )
        told = os.fstat(self._lock)
        if lock != (told.st_dev, told.st_ino):
            # Somebody took the lock file for a leftover. Without it the next daemon would not know of this one.
            again = _take(self._path)
            self.let_go()
            self._lock = again

    def let_go(self) -> None:
        """Unlock. The file stays, for removing it would let two daemons lock two files."""
        os.close(self._lock)


def _beside(path: Path) -> Path:
    return Path(f"{path}-lock")


def _which(path: Path) -> tuple[int, int] | None:
    """What tells this file from any other; None where there is none."""
    try:
        told = path.stat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino


def _take(path: Path) -> int:
    name = _beside(path)
    try:
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreRefused(
            f"{name} cannot be made: {error.strerror}. The daemon must be able to write in the database's directory."
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
        os.close(handle)
        who = f" (process {holder})" if holder.isdigit() else ""
        raise StoreRefused(
            f"Another daemon{who} holds {path}. Stop it first, or give this one another storage: two would count twice."
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def holder(path: Path) -> int | None:
    """The process of the daemon that holds a database; None where none does. Takes no lock, so it disturbs no start."""
    name = _beside(path)
    try:
        inode = f":{name.stat().st_ino}"
        locks = Path("/proc/locks").read_text()
    except OSError:
        return None
    for line in locks.splitlines():
        fields = line.split()
        if "FLOCK" in fields and any(field.endswith(inode) for field in fields):
            try:
                text = name.read_text().strip()
            except OSError:  # the daemon's alone to read; who asks may be anyone who may read the database
                text = ""
            return int(text) if text.isdigit() else int(fields[4])
    return None
