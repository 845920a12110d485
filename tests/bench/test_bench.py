from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter

import pytest
from helpers import IMGPIPE, assert_one_clear_line, run_filter, shell, wait_for_signal
from PIL import Image

from imgpipe.bench import plot, report
from imgpipe.bench.measure import Measurement
from imgpipe.bench.options import MODES, BenchOptions
from imgpipe.bench.server import serve

QUICK = ("bench", "-n", "30", "--latency", "0.01", "--size", "3000")


@pytest.fixture(scope="module")
def url():
    with serve() as address:
        yield address


def as_json(result):
    assert result.code == 0, result.err
    return json.loads(result.out)


def test_four_modes_are_compared(tmp_path):
    """Each mode fetches every image, and is told with its rates, its CPU and its memory."""
    found = as_json(run_filter(*QUICK, "--json", "--plot", tmp_path / "modes.png"))
    assert [one["mode"] for one in found["modes"]] == list(MODES)
    assert (found["count"], found["size"], found["latency"]) == (30, 3000, 0.01)
    for one in found["modes"]:
        assert (one["images"], one["failed"], one["stopped"]) == (30, 0, False)
        assert one["images_per_minute"] == pytest.approx(30 * 60 / one["seconds"], rel=0.01)
        assert one["cpu_ms_per_image"] == pytest.approx(1000 * one["cpu_seconds"] / 30, rel=0.01)
        assert 10e6 < one["peak_memory_bytes"] < 1e9
    with Image.open(tmp_path / "modes.png") as chart:
        assert chart.width > 1000


def test_the_table_has_a_line_a_mode():
    """People get a table; what is measured now is told on the side."""
    result = run_filter(*QUICK, "--mode", "loop", "--mode", "async", "--mode", "loop", "-j", "4")
    lines = result.out.decode().splitlines()
    assert lines[0] == "up to 30 images of 3 kB from the embedded server, 10 ms latency"
    assert {line.split()[0] for line in lines[3:]} == {"async", "loop"}
    assert result.err.splitlines()[-2:] == ["imgpipe bench: mode loop", "imgpipe bench: mode async -j 4"]
    assert run_filter(*QUICK, "-q", "--mode", "async").err == ""


def test_several_numbers_in_flight_make_a_sweep(tmp_path):
    """One mode is measured at each of them in rising order, and the knee of its curve is told and drawn."""
    found = as_json(run_filter(*QUICK, "-j", "1-4", "--json", "--plot", tmp_path / "sweep.png"))
    assert [(one["mode"], one["concurrency"]) for one in found["modes"]] == [
        ("async", 1),
        ("async", 2),
        ("async", 4),
    ]
    assert all(one["images"] == 30 for one in found["modes"])
    [told] = found["knees"]
    rates = {one["concurrency"]: one["images_per_second"] for one in found["modes"]}
    assert told["images_per_second"] == rates[told["concurrency"]]
    assert told["best_images_per_second"] == max(rates.values())
    with Image.open(tmp_path / "sweep.png") as chart:
        assert chart.width > 1000


def test_a_sweep_tells_its_knee_in_words():
    """Below the table of a sweep stands a line a mode, which names the number in flight to use."""
    result = run_filter(*QUICK, "-q", "-j", "4,1", "--mode", "threads", "--mode", "async")
    lines = result.out.decode().splitlines()
    assert [line.split()[:2] for line in lines[3:7]] == [
        ["threads", "1"],
        ["threads", "4"],
        ["async", "1"],
        ["async", "4"],
    ]
    assert [line.split(" -j ")[0] for line in lines[7:]] == ["knee: threads", "knee: async"]


def test_a_mode_whose_time_is_up_is_stopped_and_counts():
    """What a mode has done when it is stopped is measured, and marked."""
    result = run_filter("bench", "--mode", "loop", "--latency", "0.05", "--seconds", "1.5", "--json")
    [one] = as_json(result)["modes"]
    assert one["stopped"]
    assert 0 < one["images"] < 30
    assert one["seconds"] < 3


def test_the_users_own_list_is_fetched(url, tmp_path):
    """Each mode fetches the list, from a file or from standard input, no further than --count."""
    lines = [f"{url}/photo/{number}.jpg?size=3000" for number in range(5)]
    lines += ["", json.dumps({"url": f"{url}/status/404"}), *["http://host.invalid/a"] * 50]
    (tmp_path / "list").write_text("\n".join(lines))
    for arguments in ([tmp_path / "list"], ["-"]):
        result = run_filter("bench", "--mode", "async", "-n", 6, "--json", *arguments, lines=lines)
        [one] = as_json(result)["modes"]
        # Without --allow-private, which is not the list's business, every address here is blocked.
        assert (one["images"], one["failed"], one["kinds"]) == (0, 6, {"blocked_address": 6})
        assert one["cpu_ms_per_image"] is None
    result = run_filter("bench", "--mode", "async", "-n", 6, tmp_path / "list")
    assert "async failed: 6 blocked_address" in result.out.decode()


@pytest.mark.parametrize("others", ["", "example.com"])
def test_no_proxy_stands_before_the_embedded_server(others):
    """A proxy that the user has for the web is not asked for what is on this machine."""
    proxy = {"http_proxy": "http://127.0.0.1:1", "no_proxy": others}
    [one] = as_json(run_filter(*QUICK, "--mode", "async", "--json", env=proxy))["modes"]
    assert (one["images"], one["failed"]) == (30, 0)


def test_nothing_is_left_behind(tmp_path):
    """Pictures and lists are removed, wherever they waited."""
    folder = tmp_path / "here"
    assert run_filter(*QUICK, "--mode", "async", "--spool", folder, env={"TMPDIR": str(tmp_path)}).code == 0
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 2, ["nowhere", "No such file"]),
        (["."], 2, ["directory"]),
        (["-"], 2, ["the list is empty"]),
        (["--size", "1000"], 2, ["1024"]),
        (["--mode", "magic"], 2, ["magic"]),
        (["-j", "8,16", "--mode", "loop"], 2, ["loop", "one request in flight"]),
        (["-j", "16-8"], 2, ["16-8", "8-256"]),
        (["-j", "0,8"], 2, ["0,8", "from 1 to 4096"]),
        (["-j", "8,,9"], 2, ["8,,9", "8,32,64"]),
        (["-j", "8-5000"], 2, ["8-5000", "4096"]),
        (["--plot", "a.bmp"], 2, [".png"]),
        (["--plot", "a.png/b.png"], 4, ["a.png/b.png"]),
        (["--plot", "f.png"], 4, ["f.png", "folder"]),
        (["--spool", "file/x"], 4, ["folder"]),
    ],
)
def test_what_cannot_be_is_one_clear_line_before_anything_is_measured(tmp_path, arguments, code, words):
    """A wrong option or place ends the command at once."""
    (tmp_path / "f.png").mkdir()
    (tmp_path / "file").touch()
    assert_one_clear_line(run_filter("bench", *arguments, cwd=tmp_path), code, *words)


def test_a_missing_extra_is_named(tmp_path):
    """Without matplotlib --plot says what to install."""
    code = (
        "import sys, importlib.util as u; f = u.find_spec;"
        "u.find_spec = lambda n, *a: None if n == 'matplotlib' else f(n, *a);"
        "sys.argv = ['imgpipe', 'bench', '--plot', 'a.png']; from imgpipe.cli import main; main()"
    )
    result = shell(f'python -c "{code}"', cwd=tmp_path)
    assert_one_clear_line(result, 2, "imgpipe[plot]")


def test_an_error_of_fetch_is_told(tmp_path):
    """Where fetch itself ends with an error, its last line is the message."""
    (tmp_path / "trio.py").write_text("raise ImportError('there is no trio')")
    result = run_filter(
        "bench", "--mode", "async", "-", lines=["http://a"], env={"PYTHONPATH": str(tmp_path)}
    )
    assert_one_clear_line(result, 1, "fetch --mode async", "there is no trio")


def test_an_interrupt_ends_it_with_all_it_started(tmp_path):
    """Ctrl-C ends the command, the server and the mode that is measured; nothing is left."""
    process = subprocess.Popen(
        [IMGPIPE, "bench", "--mode", "loop", "--latency", "1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    with process:
        assert process.stderr.readline() == b"imgpipe bench: warming up\n"
        os.killpg(process.pid, signal.SIGINT)
        # The end of its output means that no process holds it any more.
        assert process.stdout.read() == b""
        wait_for_signal(process, signal.SIGINT)
    assert not list(tmp_path.rglob("*.jpg"))


def measurements():
    return [
        Measurement("async", images=100, seconds=2.0, cpu_seconds=0.1, peak_memory=50_000_000),
        Measurement("threads", failed=3, kinds=Counter(dns=2, connect=1), stopped=True),
        Measurement("loop", images=200, seconds=2.0, cpu_seconds=0.5),
    ]


def sweep():
    rates = {8: 100.0, 16: 190.0, 32: 195.0, 64: 180.0}
    return [Measurement("async", number, images=int(rate), seconds=1.0) for number, rate in rates.items()]


def test_a_sweep_is_told_in_its_order():
    """The table of a sweep has a column of numbers in flight, and its notes name the run that failed."""
    found = [*sweep(), Measurement("threads", 8, failed=1, kinds=Counter(dns=1)), Measurement("threads", 16)]
    assert [line.split()[:2] for line in report.table(found)] == [
        ["mode", "-j"],
        *[["async", f"{number}"] for number in (8, 16, 32, 64)],
        ["threads", "8"],
        ["threads", "16"],
    ]
    assert report.notes(found) == [
        "threads -j 8 failed: 1 dns",
        (
            "knee: async -j 16: 190.0 images/s, 97% of the best rate (195.0 with -j 32); "
            "the least in flight that reaches 95%"
        ),
        "knee: threads: no image came at any number in flight",
    ]
    knees = report.as_object(found, BenchOptions())["knees"]
    assert [(one["mode"], one["concurrency"], one["best_concurrency"]) for one in knees] == [
        ("async", 16, 32),
        ("threads", None, None),
    ]


def test_a_kind_from_outside_reaches_no_terminal_as_it_is():
    """A list may hold records that failed before, with any kind."""
    found = [Measurement("loop", failed=1, kinds=Counter({"\x1b[31mred": 1}))]

    assert report.notes(found) == ["loop failed: 1 \\x1b[31mred"]


def test_the_fastest_mode_comes_first():
    """The table is ranked; what is not known is a dash."""
    lines = report.table(measurements())
    assert [line.split()[:5] for line in lines[1:]] == [
        ["loop", "6,000", "100.0", "2.50", "-"],
        ["async", "3,000", "50.0", "1.00", "50"],
        ["threads", "0", "0.0", "-", "-"],
    ]
    assert report.notes(measurements()) == [
        "* stopped when the time was up",
        "threads failed: 2 dns, 1 connect",
    ]
    assert report.title(BenchOptions(file="/x/a\x1b.txt", count=1000)) == "up to 1,000 lines of a\\x1b.txt"
    assert report.title(BenchOptions(file="-", count=1)) == "up to 1 lines of standard input"


@pytest.mark.parametrize("suffix", plot.SUFFIXES)
def test_any_name_and_any_rates_can_be_drawn(tmp_path, suffix):
    """Neither a formula in a name nor a character without a glyph nor modes without an image stop it."""
    path = tmp_path / f"chart{suffix}"
    nothing = [Measurement("threads", 8), Measurement("threads", 16)]
    plot.draw([*sweep(), *nothing], "lines of $x^2 中.txt", path)
    plot.draw(nothing, "", path)
    assert path.stat().st_size > 3000
    plot.draw(measurements(), "lines of $x^2 中.txt", path)
    plot.draw(measurements()[1:2], "", path)
    assert path.stat().st_size > 3000
