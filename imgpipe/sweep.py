"""Clearing the spool: whose run folders are done with, and may go.

A run folder goes once its writer has ended, and no record leads into it any more. Nothing but run folders
of this user is ever removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Final

from imgpipe.records import Record
from imgpipe.spool import RUN_PREFIX, UPSTREAM_PREFIX, remove_run, run_folder

_SEEN_AT_MOST: Final = 256
"""Run folders remembered before the emptied ones are removed early."""


class Kept:
    """Marks the run folders whose records are written to a file: there they wait, in any number of pieces.

    The mark is the folder's sticky bit, which has no other use on a folder of one user.
    """

    def __init__(self) -> None:
        self._folders: set[str] = set()

    def note(self, record: Record) -> None:
        """Mark the run folder of the record's file, if it is a spooled one."""
        folder = _new_folder(record, self._folders)
        if folder is None:
            return
        if len(self._folders) >= _SEEN_AT_MOST:
            self._folders.clear()
        self._folders.add(folder)
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700 | stat.S_ISVTX)


class Seen:
    """The run folders that a reading stage saw in its records."""

    def __init__(self) -> None:
        self._folders: set[str] = set()
        self._limit = _SEEN_AT_MOST

    def note(self, record: Record) -> None:
        """Remember the run folder of the record's file, if it is a spooled one."""
        folder = _new_folder(record, self._folders)
        if folder is None:
            return
        self._folders.add(folder)
        if len(self._folders) > self._limit:
            self.sweep()
            self._limit = max(_SEEN_AT_MOST, 2 * len(self._folders))

    def sweep(self, *, orphans: bool = False, patience: float = 0.0) -> None:
        """Remove the folders whose writers have ended.

        Args:
            orphans: Also those that still hold files, which no record names any more; those of records
                that were written to a file are left.
            patience: Seconds to wait for writers that are just ending.
        """
        deadline = time.monotonic() + patience
        left, known = sorted(self._folders), set(self._folders)
        while left:
            folder = left.pop()
            if orphans:
                # Read before the folder goes.
                further = _upstream(folder) - known
                known |= further
                left += sorted(further)
            while not (gone := _remove_unlocked(folder, orphans=orphans)) and time.monotonic() < deadline:
                time.sleep(0.01)
            if gone:
                self._folders.discard(folder)


def _new_folder(record: Record, known: Container[str]) -> str | None:
    """The run folder of the record's file; None where it is in none, or in one that is known."""
    path = record.get("path")
    if record.get("spooled") is not True or not isinstance(path, str):
        return None
    # Most records lie where the last one did: no system call for those.
    return None if path.rpartition("/")[0] in known else run_folder(path)


def _upstream(folder: str) -> set[str]:
    """The run folders whose files were replaced by files in `folder`."""
    found = set()
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(UPSTREAM_PREFIX) and entry.is_symlink():
                found.add(run_folder(os.readlink(entry.path) + "/any"))
    return {upstream for upstream in found if upstream is not None and upstream != folder}


def _remove_unlocked(folder: str, *, orphans: bool) -> bool:
    """Whether there is no more to do about `folder`: it is gone, or was unlocked and is left to its file."""
    with _try_lock(folder) as locked:
        if locked is None:
            return True
        if not locked:
            return False
        kept = False
        with contextlib.suppress(OSError):
            kept = bool(os.stat(folder).st_mode & stat.S_ISVTX)
        if orphans and not kept:
            remove_run(folder)
            return True
        with contextlib.suppress(OSError):
            if orphans:
                _drop_links(folder)
            os.rmdir(folder)
        return kept or not os.path.exists(folder)


def _drop_links(folder: str) -> None:
    """Remove the links to upstream folders where nothing else is left."""
    names = os.listdir(folder)
    if all(name.startswith(UPSTREAM_PREFIX) for name in names):
        for name in names:
            os.unlink(f"{folder}/{name}")


@contextlib.contextmanager
def _try_lock(folder: str) -> Iterator[bool | None]:
    """Yields True with the lock held, False where its writer lives, None where it is no more."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def clean(root: Path, older_than: float, now: float) -> list[Path]:
    """Remove the run folders in `root` that nobody holds and nobody changed for `older_than` seconds.

    Args:
        root: The spool; one that does not exist holds nothing.
        older_than: Seconds since the folder last changed.
        now: The time, in seconds since the epoch.

    Returns:
        The folders that were removed.
    """
    removed = []
    for folder in sorted(root.glob(f"{RUN_PREFIX}*")):
        try:
            found = folder.lstat()
        except OSError:
            continue
        if (
            not stat.S_ISDIR(found.st_mode)
            or found.st_uid != os.getuid()
            or now - found.st_mtime < older_than
        ):
            continue
        with _try_lock(str(folder)) as locked:
            if locked:
                remove_run(str(folder))
                removed.append(folder)
    return removed
