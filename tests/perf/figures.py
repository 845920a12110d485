"""The figures: a JSON file that grows turn by turn, and what its turns come to. Nothing is measured here.

A row keeps all its turns, and what they come to stands beside them, so that an interrupted run goes on and nobody has to
compute anything to read the file.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from turns import Bound, Measures, Row

Entry = dict[str, Any]
"""A row as the file has it."""

TICK = 0.001
"""Seconds of user time that are taken for none: a tick of the kernel's clock at 1,000 Hz."""

UNITS: dict[str, Callable[[float, int], float]] = {
    "cpu": lambda seconds, each: 1000 * seconds / each,
    "user": lambda seconds, each: 1000 * seconds / each,
    "wall": lambda seconds, each: 1000 * seconds / each,
    "peak": lambda bytes_, _: bytes_ / 1e6,
    "db": lambda db, _: db,
}
"""How a measure is told: milliseconds an image of CPU and of time, megabytes, decibels."""


class Figures:
    """The figures of one machine with one set of versions.

    Args:
        path: The file. What is in it is kept, if it was measured on the same things.
        setup: What is measured on: machine, versions, pictures, sizes.

    Raises:
        SystemExit: The file has figures of another setup.
    """

    def __init__(self, path: Path, setup: dict[str, Any]) -> None:
        self._path = path
        self.setup = setup
        self.rows: dict[str, Entry] = {}
        self.texts: dict[str, str] = {}
        """What scripts printed that tell more than a row, by their names."""
        if path.exists():
            told = json.loads(path.read_text())
            # What was begun before midnight may go on after it.
            changed = [name for name in setup if name != "date" and told["setup"].get(name) != setup[name]]
            if changed:
                raise SystemExit(
                    f"{path} was measured with other {', '.join(changed)}: move it away, or name another file"
                )
            self.rows = {entry["row"]: entry for entry in told["rows"]}
            self.texts = told.get("texts", {})

    def entry(self, row: Row) -> Entry:
        """What is known of a row; a fresh entry where it is nothing, or was measured in another way."""
        kept = self.rows.get(row.name, {})
        same = kept.get("command") == row.command and kept.get("images") == row.each
        # A row that changes its place or its goal keeps its turns.
        described = {**_described(row), "turns": kept["turns"] if same else []}
        self.rows[row.name] = described
        return described

    def add(self, row: Row, turn: dict[str, Measures]) -> None:
        """A turn was measured: the file has it now."""
        self.rows[row.name]["turns"].append(turn)
        self.save()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        rows = [with_summary(entry) for entry in self.rows.values()]
        told = {"setup": self.setup, "rows": rows, "texts": self.texts}
        partial = self._path.with_name(f".{self._path.name}.partial")
        partial.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        os.replace(partial, self._path)


def _described(row: Row) -> Entry:
    return {
        "row": row.name,
        "work": row.work,
        "against": row.against,
        "command": row.command,
        "against_command": row.against_command,
        "images": row.each,
        "rival": row.rival,
        "skipped": row.missing,
        "bounds": [{"measure": one.measure, "kind": one.kind, "goal": one.goal} for one in row.bounds],
    }


def with_summary(entry: Entry) -> Entry:
    """An entry with what its turns come to: a ratio, ours and theirs for each measure, and which bounds are met."""
    turns = entry["turns"]
    if not turns:
        return {**entry, "runs": 0}
    found = {measure: _summary(entry, measure) for measure in turns[0]["ours"]}
    bounds = [{**bound, "met": _met(Bound(**_bare(bound)), turns)} for bound in entry["bounds"]]
    return {**entry, "bounds": bounds, "runs": len(turns), **found}


def _summary(entry: Entry, measure: str) -> dict[str, Any]:
    turns, unit = entry["turns"], UNITS[measure]
    return {
        "ratio": spread(ratios(turns, measure)),
        **{
            side: round(unit(statistics.median(turn[side][measure] for turn in turns), entry["images"]), 3)
            for side in ("ours", "theirs")
        },
    }


def ratios(turns: Iterable[dict[str, Measures]], measure: str) -> list[float]:
    """Ours to theirs, turn by turn: what slowed the machine for a while slowed both."""
    # The user time of a program that copies a handful of files may be none.
    return [turn["ours"][measure] / (turn["theirs"][measure] or TICK) for turn in turns]


def spread(values: list[float]) -> dict[str, float]:
    """The median of some values, the least and the greatest."""
    middle = statistics.median(values)
    return {"median": round(middle, 3), "min": round(min(values), 3), "max": round(max(values), 3)}


def _bare(bound: dict[str, Any]) -> dict[str, Any]:
    return {name: bound[name] for name in ("measure", "kind", "goal")}


def _met(bound: Bound, turns: list[dict[str, Measures]]) -> bool:
    if bound.kind == "ratio":
        # As it is told, with two digits: nobody reads 0.3004 as above 0.30.
        return round(statistics.median(ratios(turns, bound.measure)), 2) <= bound.goal
    value = statistics.median(turn["ours"][bound.measure] for turn in turns)
    return value >= bound.goal if bound.kind == "least" else value <= bound.goal
