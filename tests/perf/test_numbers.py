from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import chart
import figures
import pytest
import readme_part
from hypothesis import given
from hypothesis import strategies as st

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = ROOT / "README.md"
COMMITTED = HERE / "numbers.json"

SECONDS = st.floats(0.01, 1000)
SIDE = st.fixed_dictionaries(
    {"cpu": SECONDS, "user": SECONDS, "wall": SECONDS, "peak": st.integers(10**6, 10**10)}
)
TURNS = st.lists(
    st.fixed_dictionaries({"ours": SIDE, "theirs": SIDE, "load": SECONDS}), min_size=1, max_size=7
)

SETUP = {
    "date": "2026-01-02",
    "machine": {"cpu": "A | B", "cores": 2, "memory_gb": 25, "system": "Linux 6"},
    "versions": {"Python": "3.11", "imgpipe": "0.1.0"},
    "source": "0123",
    "pictures": {"count": 2000, "from": "imgpipe's own", "mean_bytes": 160_000, "median_bytes": 52_000},
    "server": "nginx 1.22",
    "sizes": {},
}


def turn(ours: float, theirs: float) -> dict:
    sides = {
        name: {"cpu": cpu, "user": cpu / 2, "wall": cpu, "peak": cpu * 1e8}
        for name, cpu in (("ours", ours), ("theirs", theirs))
    }
    return {**sides, "load": 0.1}


def entry(name: str, turns: list[dict], *bounds: tuple[str, str, float], rival: bool = True) -> dict:
    return {
        "row": name,
        "work": f"`{name} $x_1$`",
        "against": "a | peer",
        "command": f"imgpipe {name}",
        "against_command": "peer",
        "images": 1000,
        "rival": rival,
        "skipped": "" if turns else "not here",
        "bounds": [{"measure": measure, "kind": kind, "goal": goal} for measure, kind, goal in bounds],
        "turns": turns,
    }


def told(*entries: dict) -> dict:
    return {"setup": SETUP, "rows": [figures.with_summary(one) for one in entries]}


@pytest.fixture
def some():
    """Figures with a row that is better, one that is worse, one that was left out, and the other kinds."""
    return told(
        entry("fetch-good", [turn(1, 4), turn(1, 5), turn(1, 2)], ("cpu", "ratio", 0.3)),
        entry("fetch-bad", [turn(2, 1)], ("cpu", "ratio", 1.4), ("wall", "ratio", 3)),
        entry("fetch-none", [], ("cpu", "ratio", 1)),
        entry("resize-told", [turn(3, 4)], rival=False),
        entry("resize-quality", [{"ours": {"db": 57.4}, "theirs": {"db": 47.6}}], ("db", "least", 50)),
        entry("memory-shard", [turn(1, 1)], ("peak", "ratio", 1.1), ("peak", "most", 6e7), rival=False),
    )


def run_all(*arguments: object) -> subprocess.CompletedProcess:
    words = [sys.executable, str(HERE / "all.py"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_the_readme_and_the_chart_are_made_from_the_file(tmp_path, some):
    """The part between the marks is replaced and no other, the chart stands beside it, and both are
    the same when they are made again."""
    readme, out, picture = tmp_path / "README.md", tmp_path / "numbers.json", tmp_path / "tests" / "a.svg"
    picture.parent.mkdir()
    out.write_text(json.dumps(some))
    readme.write_text(f"before\n{readme_part.BEGIN}\nold\n{readme_part.END}\nafter\n")
    arguments = ["--no-runs", "--out", out, "--readme", readme, "--chart", picture]
    assert run_all(*arguments).returncode == 0
    text, drawing = readme.read_text(), picture.read_bytes()
    assert text.startswith(f"before\n{readme_part.BEGIN}\nMeasured on 2026-01-02: A | B, 2 cores, 25 GB")
    assert text.endswith(f"\n{readme_part.END}\nafter\n")
    assert "](tests/a.svg)" in text
    assert drawing.startswith(b"<?xml")
    assert len(drawing) < 100_000
    assert run_all(*arguments).returncode == 0
    assert (readme.read_text(), picture.read_bytes()) == (text, drawing)


def test_the_tables_tell_each_row_and_what_falls_short(some):
    """Ratios are medians of the turns, judged ones bold; a bound that is missed is said with the row, and below."""
    text = readme_part.part(some, "a.svg")
    assert (
        "| `fetch-good $x_1$` | a \\| peer | **0.25** | 0.25 | 0.25 | 1.00 | 4.00 | 0.30 | `fetch-good` |"
        in text
    )
    assert "| **2.00** | 2.00 | **2.00** | 2.00 | 1.00 | 1.40 (not met), 3.00 | `fetch-bad` |" in text
    assert "| 0.75 | 0.75 | 0.75 | 3.00 | 4.00 | none | `resize-told` |" in text
    assert "| 100 MB | 1,000 | 100 MB | 1.00 | 1.10, 60 MB (not met) | `memory-shard` |" in text
    assert "57 dB from an exact Lanczos (goal: at least 50); with a | peer 48 dB" in text
    assert "fetch-none" not in text
    assert text.endswith(
        "imgpipe needs more CPU than the other in `fetch-bad`. "
        "Not as good as was aimed at: `fetch-bad`, `memory-shard`."
    )
    met = readme_part.part(told(entry("fetch-good", [turn(1, 2)], ("cpu", "ratio", 1))), "a.svg")
    assert met.endswith("Every goal is met.")
    assert "![" not in readme_part.part(some, "")


def test_rivals_alone_are_drawn(some):
    """The chart has the rows against other programs, by the measure that judges them."""
    assert [(row["label"].split()[0], row["what"], row["median"]) for row in chart.drawn(some)] == [
        ("fetch-good", "CPU", 0.25),
        ("fetch-bad", "CPU", 2.0),
    ]


@given(TURNS, st.floats(0.1, 10))
def test_a_summary_stays_within_its_turns(turns, goal):
    """The median ratio lies between the least and the greatest, and decides, as it is told, whether the goal is met."""
    found = figures.with_summary(entry("row", turns, ("cpu", "ratio", goal), ("peak", "most", 1e9)))
    for measure in ("cpu", "user", "wall", "peak"):
        ratio = found[measure]["ratio"]
        assert ratio["min"] <= ratio["median"] <= ratio["max"]
    assert found["runs"] == len(turns)
    assert found["turns"] == turns
    values = sorted(one["ours"]["cpu"] / one["theirs"]["cpu"] for one in turns)
    middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
    assert found["bounds"][0]["met"] == (round(middle, 2) <= goal)
    if all(one["ours"]["peak"] <= 1e9 for one in turns):
        assert found["bounds"][1]["met"]


@given(st.text().filter(lambda text: "<!--" not in text), st.text().filter(lambda text: "<!--" not in text))
def test_nothing_but_the_part_is_replaced(before, after):
    """What stands before and behind the marks stays, byte for byte."""
    text = f"{before}{readme_part.BEGIN}x{readme_part.END}{after}"
    assert readme_part.replaced(text, "y") == f"{before}{readme_part.BEGIN}\ny\n{readme_part.END}{after}"


@pytest.mark.parametrize(
    "text",
    ["", readme_part.BEGIN, readme_part.END + readme_part.BEGIN, 2 * (readme_part.BEGIN + readme_part.END)],
)
def test_a_readme_without_its_marks_is_left_alone(text):
    """Without both marks, once each and in order, nothing is guessed."""
    with pytest.raises(SystemExit, match="once each"):
        readme_part.replaced(text, "y")


def test_the_readme_tells_what_was_measured():
    """The README has its marks, and between them what the committed figures say."""
    text = README.read_text()
    if not COMMITTED.exists():
        assert readme_part.replaced(text, "")
        return
    found = json.loads(COMMITTED.read_text())
    assert readme_part.replaced(text, readme_part.part(found, "tests/perf/numbers.svg")) == text
    assert all(figures.with_summary(one) == one for one in found["rows"])
    assert (HERE / "numbers.svg").stat().st_size < 100_000


def test_an_interrupted_run_goes_on(tmp_path):
    """What the file has is kept and not measured again; figures of another setup are refused, untouched."""
    out = tmp_path / "numbers.json"
    (tmp_path / "photographs").mkdir()  # empty: the pictures are cut from imgpipe's own
    usual = ["--scale", "0.0002", "--work", tmp_path, "--out", out, "--chart", tmp_path / "a.svg"]
    rows = ["--rows", "fetch-512", "fetch-curl", "fetch-aiohttp", "memory-read"]
    done = run_all(*usual, *rows, "--runs", "1")
    assert done.returncode == 0, done.stderr
    assert "fetch-aiohttp: left out, no interpreter with the peers was given" in done.stdout
    first = json.loads(out.read_text())
    again = run_all(*usual, *rows, "--runs", "2")
    assert again.returncode == 0, again.stderr
    second = json.loads(out.read_text())
    for before, after in zip(first["rows"], second["rows"], strict=True):
        assert after["turns"][: before["runs"]] == before["turns"]
        assert len(after["turns"]) == (0 if after["skipped"] else 1 if after["row"] == "memory-read" else 2)
    third = run_all(*usual, *rows, "--scale", "0.0004")
    assert (third.returncode, third.stderr.count("\n")) == (1, 1)
    assert "measured with other" in third.stderr
    assert json.loads(out.read_text()) == second


def test_a_row_that_is_not_there_is_told(tmp_path):
    """A wrong name gets the right ones in a line."""
    (tmp_path / "photographs").mkdir()
    done = run_all("--scale", "0.0002", "--work", tmp_path, "--out", tmp_path / "n.json", "--rows", "x")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "fetch-curl" in done.stderr
