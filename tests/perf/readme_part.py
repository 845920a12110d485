"""The figures as the README has them: a line on what was measured, the tables, what falls short."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

BEGIN = "<!-- numbers: made by tests/perf/all.py --readme -->"
END = "<!-- numbers: end -->"

Entry = dict[str, Any]


def replaced(text: str, part: str) -> str:
    """The README with another part between its marks.

    Raises:
        SystemExit: The marks are not there, once each and in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise SystemExit(f"the README must have the lines {BEGIN} and {END}, once each")
    return f"{before}{BEGIN}\n{part}\n{END}{after}"


def part(told: dict[str, Any], chart: str) -> str:
    """All between the marks.

    Args:
        told: The figures, as their file has them.
        chart: Where the chart is, from the README; empty where there is none.
    """
    rows = [entry for entry in told["rows"] if entry["runs"]]
    compared = [entry for entry in rows if "wall" in entry and not _is_memory(entry)]
    picture = f"![Each row's ratio to its peer]({chart})" if chart else ""
    blocks = [_setup(told["setup"]), picture, _ratios(compared)]
    blocks += [_quality(entry) for entry in rows if "db" in entry]
    memory = [entry for entry in rows if _is_memory(entry)]
    blocks += [_memory(memory)] if memory else []
    blocks.append(_short(rows))
    return "\n\n".join(block for block in blocks if block)


def _is_memory(entry: Entry) -> bool:
    return bool(entry["bounds"]) and entry["bounds"][0]["measure"] == "peak"


def _setup(setup: dict[str, Any]) -> str:
    machine, pictures = setup["machine"], setup["pictures"]
    versions = ", ".join(f"{name} {version}" for name, version in setup["versions"].items())
    return (
        f"Measured on {setup['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}; {versions}; {setup['server']} on loopback; {pictures['count']:,} pictures cut from "
        f"{pictures['from']}, {pictures['mean_bytes'] / 1000:.0f} kB on average, "
        f"{pictures['median_bytes'] / 1000:.0f} kB in the middle."
    )


def table(heads: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    heads = list(heads)
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _ratios(rows: list[Entry]) -> str:
    heads = ("work", "against", "CPU", "in user mode", "time", "ms of CPU", "theirs", "goal", "`--rows`")
    return table(heads, (_ratio_cells(entry) for entry in rows))


def _ratio_cells(entry: Entry) -> list[str]:
    judged = {bound["measure"]: bound for bound in entry["bounds"]}
    cells = [entry["work"], entry["against"]]
    for measure in ("cpu", "user", "wall"):
        text = f"{entry[measure]['ratio']['median']:.2f}"
        cells.append(f"**{text}**" if measure in judged else text)
    goals = dict.fromkeys(
        f"{bound['goal']:.2f}{'' if bound['met'] else ' (not met)'}" for bound in judged.values()
    )
    cells += [f"{entry['cpu'][side]:.2f}" for side in ("ours", "theirs")]
    return [*cells, ", ".join(goals) or "none", f"`{entry['row']}`"]


def _quality(entry: Entry) -> str:
    goal = entry["bounds"][0]["goal"]
    return (
        f"Of {entry['images']:,} pictures resized without loss, the one in the middle is {entry['db']['ours']:.0f} dB from an exact "
        f"Lanczos (goal: at least {goal:.0f}); with {entry['against']} {entry['db']['theirs']:.0f} dB (`{entry['row']}`)."
    )


def _memory(rows: list[Entry]) -> str:
    few = rows[0]["against"].removeprefix("itself ")
    heads = ("peak memory of", f"{few} records", "records", "peak", "ratio", "goal", "`--rows`")
    return table(heads, (_memory_cells(entry) for entry in rows))


def _memory_cells(entry: Entry) -> list[str]:
    peak, goals = entry["peak"], []
    for bound in entry["bounds"]:
        text = f"{bound['goal']:.2f}" if bound["kind"] == "ratio" else f"{bound['goal'] / 1e6:.0f} MB"
        goals.append(text + ("" if bound["met"] else " (not met)"))
    sizes = [f"{peak['theirs']:.0f} MB", f"{entry['images']:,}", f"{peak['ours']:.0f} MB"]
    return [entry["work"], *sizes, f"{peak['ratio']['median']:.2f}", ", ".join(goals), f"`{entry['row']}`"]


def _short(rows: list[Entry]) -> str:
    missed = [f"`{entry['row']}`" for entry in rows if not all(bound["met"] for bound in entry["bounds"])]
    rivals = [entry for entry in rows if entry["rival"] and "cpu" in entry]
    lost = [f"`{entry['row']}`" for entry in rivals if entry["cpu"]["ratio"]["median"] > 1]
    runs = sorted({entry["runs"] for entry in rivals})
    text = f"Medians of {' or '.join(map(str, runs))} runs. " if runs else ""
    text += f"imgpipe needs more CPU than the other in {', '.join(lost)}. " if lost else ""
    return text + (f"Not as good as was aimed at: {', '.join(missed)}." if missed else "Every goal is met.")


def rewrite(readme: Path, told: dict[str, Any], chart: Path | None) -> None:
    """Put the figures into a README, in place, with the chart, if there is one."""
    here, where = readme.resolve().parent, ""
    if chart is not None:
        # From the README's folder, with slashes.
        where = Path(os.path.relpath(chart.resolve(), here)).as_posix()
    readme.write_text(replaced(readme.read_text(), part(told, where)))
