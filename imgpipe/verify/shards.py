"""A data set in shards: each tar or parquet file beside its sidecar."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import orjson

from imgpipe import placed
from imgpipe.errors import Kind, RecordError
from imgpipe.layout import HIDDEN, Layout
from imgpipe.placed import Listing
from imgpipe.records import Record
from imgpipe.verify.findings import Fault, Finding, Placed, mismatch

_VOLATILE: Final = frozenset({"attempts", "seconds"})
"""Columns of the sidecar that samples of a tar do not have: they would make tars differ."""

Sample = tuple[str, bytes, Any]
"""A name, the bytes of an image, and its row as the shard has it; None where it has none."""


def findings(out: Path, layout: Layout, listing: Listing) -> Iterator[Finding]:
    """Every image of the data set, or part, with its row, and what is wrong with its shards."""
    expected: int | None = None
    count = 0
    for number, name in listing.shards(layout).items():
        if expected is not None and number != expected:
            yield mismatch({"shard": name}, f"the shard {layout.stem(expected)} is missing before it")
        expected = number + 1
        rows = placed.read_records(out / HIDDEN / layout.sidecar(number))
        head = next(rows, None)
        if head is None:
            yield Fault({"shard": name}, RecordError(Kind.UNLISTED, "the shard has no sidecar"))
            continue
        yield from _head_faults(out / name, head, count)
        found = 0
        for finding in _compare(out / name, rows):
            found += isinstance(finding, Placed)
            yield finding
        if head.get("count") != found:
            yield mismatch(
                {"shard": name}, f"its sidecar tells of {head.get('count')} images, it has {found}"
            )
        told = head.get("count")
        count += told if type(told) is int else found


def _head_faults(path: Path, head: Record, count: int) -> Iterator[Finding]:
    if head.get("first") != count:
        yield mismatch({"shard": path.name}, f"{count} images come before it, not {head.get('first')}")
    digest = head.get("sha256")
    if digest is not None:
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != digest:
            error = RecordError(Kind.HASH_MISMATCH, f"its digest is {found}, not {digest}")
            yield Fault({"shard": path.name}, error)


def _compare(path: Path, rows: Iterator[Record]) -> Iterator[Finding]:
    names: set[str] = set()
    samples = _tar_samples(path) if path.suffix == ".tar" else _parquet_samples(path)
    try:
        for row, sample in zip_longest(rows, samples):
            if sample is None:
                yield Fault(row, RecordError(Kind.MISSING_FILE, "it is not in its shard"))
                continue
            name, content, inner = sample
            if row is None:
                where = {"shard": path.name, "file_name": name}
                yield Fault(where, RecordError(Kind.UNLISTED, "the sidecar has no line about it"))
                continue
            if row.get("file_name") != name or name in names:
                yield mismatch(row, f"{name!r} stands in its place")
            names.add(name)
            if inner != _as_kept(row, inner):
                yield mismatch(row, "its row in the shard is another than in the sidecar")
            yield Placed(row, partial(bytes, content))
    except Exception as error:  # noqa: BLE001 - what a broken shard makes of a reader is many an exception
        yield mismatch({"shard": path.name}, f"it cannot be read: {type(error).__name__}: {error}")


def _as_kept(row: Record, inner: Any) -> Any:
    if not isinstance(inner, dict):
        return {}
    dropped = _VOLATILE - inner.keys()
    return {name: value for name, value in row.items() if name not in dropped}


def _tar_samples(path: Path) -> Iterator[Sample]:
    with tarfile.open(path, "r:") as tar:
        stem, image, inner = "", None, None
        for member in tar:
            if not member.isreg():
                raise tarfile.TarError(f"{member.name!r} is no regular file")
            found, _, extension = member.name.partition(".")
            file = tar.extractfile(member)
            content = file.read() if file is not None else b""
            tar.members = []  # type: ignore[attr-defined]  # it would keep every member
            if found != stem and image is not None:
                yield (*image, inner)
                image, inner = None, None
            stem = found
            if extension == "json":
                inner = orjson.loads(content)
            elif extension != "txt":
                image = (member.name, content)
        if image is not None:
            yield (*image, inner)


def _parquet_samples(path: Path) -> Iterator[Sample]:
    from imgpipe.verify.parquet import rows  # noqa: PLC0415 - loads pyarrow, an extra

    for row in rows(path):
        image = row.pop("image")
        yield image["path"], image["bytes"], row
