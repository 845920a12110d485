"""A data set of images in folders: its metadata line by line, and each folder beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from imgpipe.errors import Kind, RecordError
from imgpipe.layout import METADATA
from imgpipe.records import Record
from imgpipe.verify.findings import Fault, Finding, Placed, mismatch

_FOLDER: Final = re.compile(r"[0-9]{5,}")
_SIDECARS: Final = (".json", ".txt")


def findings(out: Path) -> Iterator[Finding]:
    """Every image of the data set with its row, and what is wrong with lines and folders."""
    folders = {name for name in os.listdir(out) if _FOLDER.fullmatch(name) and (out / name).is_dir()}
    current: str | None = None
    names: set[str] = set()
    for found in _rows(out / METADATA):
        if isinstance(found, Fault):
            yield found
            continue
        folder, _, name = found["file_name"].rpartition("/")
        if folder != current:
            yield from _unlisted(out, current, names)
            folders.discard(folder)
            current, names = folder, set()
        if name in names:
            yield mismatch(found, "two lines have this name")
        names.add(name)
        yield Placed(found, partial(_read, out / found["file_name"]))
    yield from _unlisted(out, current, names)
    for folder in sorted(folders):
        yield from _unlisted(out, folder, set())


def _rows(path: Path) -> Iterator[Record | Fault]:
    keys: list[str] | None = None
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            row = _row(line)
            if row is None:
                yield Fault({}, RecordError(Kind.BAD_LINE, f"line {number} of {METADATA} is torn or no row"))
                continue
            if keys is None:
                keys = list(row)
            if list(row) != keys:
                yield mismatch(row, f"line {number} of {METADATA} has other columns than the first")
            yield row


def _row(line: bytes) -> Record | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    name = row.get("file_name") if isinstance(row, dict) else None
    # A name that leads out of the folder is none of ours, and is not followed.
    if not isinstance(name, str) or name.startswith("/") or ".." in name.split("/") or "\0" in name:
        return None
    return dict(row)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read()


def _unlisted(out: Path, folder: str | None, names: set[str]) -> Iterator[Finding]:
    if not folder or not (out / folder).is_dir():
        return
    stems = {name.rpartition(".")[0] for name in names}
    for name in sorted(set(os.listdir(out / folder)) - names):
        if name.endswith(_SIDECARS) and name.rpartition(".")[0] in stems:
            continue
        yield Fault(
            {"file_name": f"{folder}/{name}", "shard": folder},
            RecordError(Kind.UNLISTED, f"{METADATA} has no line about it"),
        )
