"""The parts of a data set: which are missing, and whether each is what its marker says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from imgpipe import placed
from imgpipe.counts import Digest
from imgpipe.errors import Kind, RecordError
from imgpipe.layout import HIDDEN, Layout
from imgpipe.parts import name_of
from imgpipe.placed import Listing
from imgpipe.verify.findings import Fault, Finding, mismatch

_NUMBER: Final = re.compile(r"([0-9]+)$")


def missing(names: Sequence[str], expected: int | None) -> Iterator[Finding]:
    """The parts that are not there, of `expected` that are numbered at the end of their names from 0 or
    from 1; none where it is not known how many there should be."""
    if expected is None:
        return
    numbers = {name: int(match[1]) for name in names if (match := _NUMBER.search(name))}
    first = 1 if expected in numbers.values() and 0 not in numbers.values() else 0
    due = range(first, first + expected)
    there: dict[int, str] = {}
    for name in sorted(names):
        number = numbers.get(name)
        if number is None or number not in due:
            yield _fault(name, Kind.UNLISTED, f"it is none of the {expected} parts")
        elif number in there:
            yield _fault(name, Kind.UNLISTED, f"the part {number} of {expected} is {there[number]} already")
        else:
            there[number] = name
    for number in due:
        if number not in there:
            yield _fault(name_of(number), Kind.MISSING_FILE, f"the part {number} of {expected} is missing")


def findings(out: Path, name: str, listing: Listing) -> Iterator[Finding]:
    """What differs between a part and its marker."""
    layout = Layout(name)
    marker = placed.marker(out, name)
    if marker is None:
        yield _fault(name, Kind.MISSING_FILE, "the part is not complete: run it again to go on")
        return
    rows, failures = Digest(), Digest()
    for row in placed.since(out, {}, layout, listing):
        rows.add(row)
    for record in placed.failures(out, layout):
        failures.add(record)
    told = (marker.get("placed"), _sum(marker.get("failed"), marker.get("skipped")))
    if told != (rows.records, failures.records):
        yield mismatch(
            {"shard": name},
            f"{rows.records} images and {failures.records} failures are there;"
            f" its marker tells of {told[0]} and {told[1]}",
        )
    elif marker.get("input") != (rows + failures).as_json():
        yield mismatch({"shard": name}, "it holds other records than its marker tells of")
    yield from _shards(out, layout, listing, marker.get("shards"))


def _shards(out: Path, layout: Layout, listing: Listing, told: Any) -> Iterator[Finding]:
    told = told if isinstance(told, list) else []
    listed = {str(shard.get("shard")): shard.get("sha256") for shard in told if isinstance(shard, dict)}
    there = {
        str(head.get("shard")): head.get("sha256")
        for _, name in listing.committed_sidecars(layout)
        for head in [next(placed.read_records(out / HIDDEN / name), {})]
    }
    for name in sorted(listed.keys() | there.keys()):
        if name not in there:
            yield _fault(name, Kind.MISSING_FILE, "the marker of its part tells of it, and it is not there")
        elif name not in listed:
            yield _fault(name, Kind.UNLISTED, "the marker of its part does not tell of it")
        elif listed[name] != there[name]:
            yield _fault(name, Kind.HASH_MISMATCH, "the marker of its part tells of another digest")


def _sum(*numbers: Any) -> int | None:
    return sum(numbers) if all(type(number) is int for number in numbers) else None


def _fault(shard: str, kind: Kind, detail: str) -> Fault:
    return Fault({"shard": shard}, RecordError(kind, detail))
