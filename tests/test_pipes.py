"""The whole pipe, as people run it: real processes, real pipes, a real server, real pictures."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
from helpers import IMGPIPE, Terminal, assert_one_clear_line, run_filter, shell, wait_for_signal
from PIL import Image

from imgpipe.bench.server import serve

FETCH = "imgpipe fetch --allow-private --per-host 0"
STAGES = {
    "read": ["read", "-q"],
    "fetch": ["fetch", "--allow-private", "-q"],
    "resize": ["resize", "-q"],
    "shard": ["shard", "-q", "out"],
}


@pytest.fixture(scope="module")
def server():
    """The address of a server that answers at once."""
    with serve() as address:
        yield address


@pytest.fixture(scope="module")
def slow():
    """The address of a server that takes a twentieth of a second for each answer."""
    with serve(latency=0.05) as address:
        yield address


def lines(path: Path) -> list[dict]:
    """The records of a file, each line of which is whole."""
    text = path.read_text()
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def images_of(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.glob("[0-9]*/*")}


def assert_sound(out: Path) -> list[dict]:
    """Every line leads to a whole picture, every picture has a line; returns the lines."""
    placed = lines(out / "metadata.jsonl")
    assert len({line["file_name"] for line in placed}) == len(placed)
    assert images_of(out) == {line["file_name"] for line in placed}
    for line in placed:
        with Image.open(out / line["file_name"]) as image:
            image.load()
            assert (line["width"], line["height"]) == image.size
            assert max(image.size) == 256
    return placed


def assert_clean(spool: Path) -> None:
    assert not list(spool.glob("*"))


@pytest.mark.parametrize("mode", ["async", "threads", "processes", "loop"])
def test_the_pipe(mode, server, tmp_path, spool):
    """120 photographs and 5 dead URLs become 120 pictures, 120 lines and 5 failed records, in each mode."""
    rows = [f"{n},{server}/photo/{n}.jpg\n" for n in range(120)] + [
        f"x,{server}/gone/{n}.jpg\n" for n in range(5)
    ]
    (tmp_path / "urls.csv").write_text("".join(rows))

    result = shell(
        f"cut -d, -f2 urls.csv | imgpipe fetch --allow-private --mode {mode} | imgpipe resize --size 256 |"
        " imgpipe shard out/",
        cwd=tmp_path,
    )

    assert result.code == 0, result.err
    assert len(assert_sound(tmp_path / "out")) == 120
    failed = lines(tmp_path / "out" / "__imgpipe__" / "failed.jsonl")
    assert [record["error"] for record in failed] == ["http_status"] * 5
    assert_clean(spool)
    assert "120 ok, 5 failed" in result.err


def test_extra_fields_come_out_unchanged(server, tmp_path):
    """Captions with line ends, emoji, nested objects and long texts go through all stages, in order."""
    mine = {
        "caption": "two\nlines\u2028and \u202e more",
        "emoji": "🦊👩‍🚀",
        "nested": {"b": [1, {"c": None}], "a": 1.5},
        "url": f"{server}/photo/1.jpg",
        "id": 123456789012345678901234567890,
        "text": "long " * 4000,
    }

    result = shell(f"{FETCH} | imgpipe resize", stdin=json.dumps(mine).encode())
    (found,) = result.records
    assert found["status"] == "ok"
    assert list(mine.items()) == [(name, value) for name, value in found.items() if name in mine]

    shell("imgpipe shard -q out", stdin=result.out, cwd=tmp_path)
    (placed,) = lines(tmp_path / "out" / "metadata.jsonl")
    extra = json.loads(placed["extra"])
    for name in ("caption", "emoji", "nested", "id", "text"):
        # A value that fits no column, such as a number of over 64 bits, is exact in `extra`.
        value = extra.get(name, placed.get(name))
        assert mine[name] == (json.loads(value) if name == "nested" and isinstance(value, str) else value)


def test_nothing_from_the_network_steers_the_terminal(server):
    """URLs and headers with escape sequences reach a terminal only escaped, in records and in summaries."""
    evil = [
        f"{server}/photo/\x1b]0;owned\x07.jpg",
        f"{server}/photo/1.jpg?header=Content-Usage:train-ai=n,%1b[2J%9b31m",
        f"{server}/redirect/1/?to=http://%1b[31mhost%07/",
        f"{server}/redirect/1/?to=/%9b31m%e2%80%ae",
    ]
    terminal = Terminal([IMGPIPE, "fetch", "--allow-private", *evil])

    shown = terminal.finish()

    assert shown.count('"seq":') == 4
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e]", plain(shown))


def plain(shown: str) -> str:
    """What was shown without the progress line's own sequences and colours."""
    return re.sub("\r?\x1b\\[(K|0m|2m|1;31m)", "", shown)


def test_one_stage_draws_the_progress(slow, tmp_path):
    """Of a pipe on a terminal only the last stage talks, and its line is taken away at the end."""
    urls = " ".join(f"{slow}/photo/{n}.jpg" for n in range(60))
    script = (
        f"PATH={Path(IMGPIPE).parent}:$PATH; {FETCH} --delay 0.02 {urls} | imgpipe resize | imgpipe shard out"
    )
    terminal = Terminal(["bash", "-c", script], cwd=tmp_path)

    shown = terminal.finish(timeout=40)

    assert shown.count("\x1b[2mimgpipe shard: ") >= 1
    assert "imgpipe fetch:" not in shown
    assert "imgpipe resize:" not in shown
    assert re.search(r"\r\x1b\[Kimgpipe shard: 60 ok in [\d.]+ s", shown)


@pytest.mark.parametrize("mode", ["async", "processes"])
def test_records_in_a_file_keep_their_images(mode, server, tmp_path, spool):
    """`head r.jsonl | imgpipe shard` takes the first ones, and leaves the others their files."""
    (tmp_path / "list").write_text("".join(f"{server}/photo/{n}.jpg\n" for n in range(10)))
    shell(f"{FETCH} --mode {mode} < list > r.jsonl; head -4 r.jsonl | imgpipe shard -q out", cwd=tmp_path)
    assert len(lines(tmp_path / "out" / "metadata.jsonl")) == 4

    result = shell(
        "tail -n +5 r.jsonl | imgpipe resize > s.jsonl; head -3 s.jsonl | imgpipe shard out", cwd=tmp_path
    )
    assert len(shell("tail -n +4 s.jsonl | imgpipe shard --emit out", cwd=tmp_path).records) == 3

    assert result.code == 0
    assert len(lines(tmp_path / "out" / "metadata.jsonl")) == 10
    assert_clean(spool)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize(
    "pipe",
    [
        "imgpipe fetch --allow-private | {jq} | imgpipe shard out",
        "imgpipe fetch --allow-private | {jq} | imgpipe resize | imgpipe shard out",
        "imgpipe fetch --allow-private | imgpipe resize | {jq} | imgpipe shard out",
    ],
    ids=["after fetch", "between fetch and resize", "after resize"],
)
def test_a_filter_in_between_leaves_no_files(pipe, server, tmp_path, spool):
    """The files of records that a filter dropped are gone at the end of the pipe."""
    urls = "".join(f"{server}/photo/{number}.jpg\n" for number in range(8))
    result = shell(pipe.format(jq="jq --unbuffered -c 'select(.seq > 5)'"), stdin=urls.encode(), cwd=tmp_path)

    assert result.code == 0
    assert len(lines(tmp_path / "out/metadata.jsonl")) == 3
    assert list(spool.iterdir()) == []


def test_a_reader_that_leaves_ends_fetch_silently(server, tmp_path, spool):
    """`fetch | head -1` ends at once by SIGPIPE, with its files removed."""
    (tmp_path / "list").write_text("".join(f"{server}/photo/{n}.jpg\n" for n in range(5000)))

    began = time.monotonic()
    result = shell(f"{FETCH} < list | head -1; echo ${{PIPESTATUS[0]}}", cwd=tmp_path)

    assert time.monotonic() - began < 10
    record, status = result.out.splitlines()
    assert (status, json.loads(record)["status"]) == (b"141", "ok")
    assert result.err == ""
    assert_clean(spool)


def start(script: str, tmp_path: Path) -> subprocess.Popen:
    """A pipe in a process group of its own; its statuses are in the file `statuses` in the end."""
    path = f"{Path(IMGPIPE).parent}:{os.environ['PATH']}"
    # A trap, unlike an ignored signal, is the shell's own: its children meet the signal as it is.
    script = f'trap : INT TERM; {script}; echo "${{PIPESTATUS[@]}}" > statuses'
    return subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_until(condition, timeout=30) -> None:
    """Until something that another process does has happened."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, "130"), (signal.SIGTERM, "143")])
def test_an_interrupt_in_the_middle(number, status, slow, tmp_path, spool):
    """What was fetched is placed, every line is whole, each stage dies by the signal, the spool is clean, and one line
    says how to go on, with the folder's name."""
    (tmp_path / "list").write_text("".join(f"{slow}/photo/{n}.jpg\n" for n in range(20_000)))
    pipe = start(f"{FETCH} < list | imgpipe resize | imgpipe shard out", tmp_path)
    wait_until(lambda: count_lines(tmp_path / "out" / "metadata.jsonl") > 20)

    began = time.monotonic()
    os.killpg(pipe.pid, number)
    _, err = pipe.communicate(timeout=30)

    assert time.monotonic() - began < 6
    assert [status] * 3 == (tmp_path / "statuses").read_text().split()
    assert b"Traceback" not in err
    assert err.count(b"stopped; ") == err.count(b"imgpipe fetch --resume out goes on") == 1
    assert 20 < len(assert_sound(tmp_path / "out")) < 20_000
    lines(tmp_path / "out" / "__imgpipe__" / "failed.jsonl")
    assert_clean(spool)


def test_a_killed_pipe_is_completed(slow, tmp_path):
    """After `kill -9` the same command with `--resume` completes the set: nothing lost, nothing twice."""
    (tmp_path / "list").write_text(
        "".join(f"{slow}/photo/{n}.jpg\n" for n in range(120)) + f"{slow}/gone.jpg\n"
    )
    script = f"{FETCH} -j 8 --resume out < list | imgpipe resize | imgpipe shard out"
    for more in (5, 40):
        pipe = start(script, tmp_path)
        wait_until(lambda more=more: count_lines(tmp_path / "out" / "metadata.jsonl") > more)
        os.killpg(pipe.pid, signal.SIGKILL)
        pipe.communicate()

    result = shell(script, cwd=tmp_path)

    assert result.code == 0, result.err
    placed = assert_sound(tmp_path / "out")
    assert {f"{slow}/photo/{n}.jpg" for n in range(120)} == {line["url"] for line in placed}
    assert len(placed) == 120
    assert [f"{slow}/gone.jpg"] == [
        record["url"] for record in lines(tmp_path / "out/__imgpipe__/failed.jsonl")
    ]


def test_the_same_command_after_a_kill_is_sound(slow, tmp_path):
    """Also without `--resume` every line leads to a whole picture, and nothing is overwritten."""
    (tmp_path / "list").write_text("".join(f"{slow}/photo/{n}.jpg\n" for n in range(40)))
    script = f"{FETCH} -j 4 < list | imgpipe resize | imgpipe shard out"
    pipe = start(script, tmp_path)
    wait_until(lambda: count_lines(tmp_path / "out" / "metadata.jsonl") > 5)
    os.killpg(pipe.pid, signal.SIGKILL)
    pipe.communicate()

    result = shell(script, cwd=tmp_path)

    assert result.code == 0, result.err
    assert 45 < len(assert_sound(tmp_path / "out")) <= 80


def test_many_fetchers_tear_no_line(server, tmp_path, spool):
    """Under `xargs -P8` captions of 20 kB among short ones arrive whole."""
    # xargs gives a command 128 kB of arguments at the most: each of the long ones costs a process soon.
    captions = {f"{server}/photo/{n}.jpg": chr(97 + n % 26) * (10 if n % 4 else 20_000) for n in range(200)}
    (tmp_path / "records.jsonl").write_text(
        "".join(json.dumps({"url": url, "caption": caption}) + "\n" for url, caption in captions.items())
    )

    result = shell(
        f"xargs -d '\\n' -P8 -n50 {FETCH} -q < records.jsonl | imgpipe shard out", cwd=tmp_path, timeout=120
    )

    assert result.code == 0, result.err
    assert captions == {line["url"]: line["caption"] for line in lines(tmp_path / "out" / "metadata.jsonl")}
    assert_clean(spool)


def test_the_failed_are_tried_again(server, tmp_path):
    """`failed.jsonl` as the input of a pipe that ends in the same OUT ends, and keeps what still fails."""
    once = [f"{server}/flaky/1/photo/{n}.jpg" for n in range(30)]
    (tmp_path / "list").write_text("".join(f"{url}\n" for url in [*once, f"{server}/gone.jpg"]))
    failed = tmp_path / "out" / "__imgpipe__" / "failed.jsonl"
    shell(f"{FETCH} --retries 0 < list | imgpipe resize | imgpipe shard out", cwd=tmp_path)
    assert len(lines(failed)) == 31
    assert sum(record["retryable"] for record in lines(failed)) == 30

    again = shell(
        f"{FETCH} < out/__imgpipe__/failed.jsonl | imgpipe resize | imgpipe shard out",
        cwd=tmp_path,
        timeout=60,
    )

    assert again.code == 0, again.err
    assert [f"{server}/gone.jpg"] == [record["url"] for record in lines(failed)]
    assert sorted(once) == sorted(line["url"] for line in assert_sound(tmp_path / "out"))


def requests(server: str) -> int:
    with urllib.request.urlopen(f"{server}/stats", timeout=10) as answer:
        return json.load(answer)["requests"]


@pytest.mark.parametrize("mode", ["async", "threads", "processes", "loop"])
def test_a_consumer_that_does_not_read_stops_fetch(mode, tmp_path, spool):
    """Requests and spooled bytes are bounded by what the pipe and the window hold."""
    with serve(size=20_000) as server:
        (tmp_path / "list").write_text("".join(f"{server}/photo/{n}.jpg\n" for n in range(5000)))
        with (tmp_path / "list").open("rb") as list_:
            fetch = subprocess.Popen(
                [IMGPIPE, "fetch", "--allow-private", "--per-host", "0", "--mode", mode, "-q"],
                stdin=list_,
                stdout=subprocess.PIPE,
            )
        seen = [-1]

        def stopped():
            time.sleep(0.5)
            seen.append(requests(server) - len(seen))
            return seen[-1] == seen[-2] > 50

        wait_until(stopped)

        # A pipe of 64 KiB holds some 200 records of 320 bytes; the rest is what is in flight.
        assert seen[-1] < 1500
        assert sum(path.stat().st_size for path in spool.glob("*/*")) < 1500 * 20_000
        fetch.send_signal(signal.SIGTERM)
        fetch.stdout.close()
        assert fetch.wait(10) in (-signal.SIGTERM, -signal.SIGPIPE)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf"], ids=["empty", "blank", "mark"])
def test_an_empty_input_is_no_error(stage, data, tmp_path):
    """No record comes in, none comes out."""
    result = run_filter(*STAGES[stage], stdin=data, cwd=tmp_path)

    assert (result.code, result.out, result.err) == (0, b"", "")


@pytest.mark.parametrize("stage", STAGES)
def test_a_folder_as_input_is_refused(stage, tmp_path):
    """Python itself refuses it before imgpipe begins: no success, no output."""
    result = shell(f"imgpipe {' '.join(STAGES[stage])} < /", cwd=tmp_path)

    assert result.code != 0
    assert result.out == b""


@pytest.mark.parametrize("stage", ["fetch", "resize", "shard"])
def test_a_closed_input_is_one_clear_line(stage, tmp_path):
    """Where there is no standard input, nothing is guessed."""
    result = shell(f"imgpipe {' '.join(STAGES[stage])} <&-", cwd=tmp_path)

    assert_one_clear_line(result, 2, "cannot read standard input")


@pytest.mark.parametrize("stage", ["read", "fetch", "resize"])
@pytest.mark.parametrize("place", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_one_clear_line(stage, place, server, tmp_path, spool):
    """A full disk or a closed output ends the stage with 4; no file without a record stays."""
    (tmp_path / "a.jpg").write_bytes(urllib.request.urlopen(f"{server}/photo/1.jpg").read())
    line = {"read": f"{server}/photo/1.jpg", "fetch": f"{server}/photo/1.jpg", "resize": f"{tmp_path}/a.jpg"}
    result = shell(
        f"imgpipe {' '.join(STAGES[stage])} {place}", stdin=(line[stage] + "\n").encode(), cwd=tmp_path
    )

    assert_one_clear_line(result, 4, "cannot write to standard output")
    assert not list(spool.glob("*/*"))
    assert (tmp_path / "a.jpg").exists()


def test_a_last_line_without_its_end_counts(server):
    """A list that ends without a line feed is whole."""
    result = shell(
        f"{FETCH} | imgpipe resize", stdin=f"{server}/photo/1.jpg\r\n{server}/photo/2.jpg".encode()
    )

    assert [record["status"] for record in result.records] == ["ok", "ok"]


def test_non_blocking_streams(server, tmp_path, spool):
    """Streams that arrive non-blocking on both sides lose nothing, in any stage."""
    (tmp_path / "list").write_text("".join(f"{server}/photo/{n}.jpg\n" for n in range(300)))
    loosen = "import os, sys; os.set_blocking(0, False); os.set_blocking(1, False); os.execvp(sys.argv[1], sys.argv[1:])"

    result = shell(
        f"cat list | python3 -c '{loosen}' {FETCH} | python3 -c '{loosen}' imgpipe resize |"
        f" python3 -c '{loosen}' imgpipe shard --emit -q out | cat",
        cwd=tmp_path,
    )

    assert result.code == 0, result.err
    assert len(result.records) == 300
    assert len(assert_sound(tmp_path / "out")) == 300
    assert_clean(spool)


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("read nowhere.csv", 2, ["nowhere.csv"]),
        ("read --url-col nope urls.csv", 2, ["nope", "link", "title"]),
        ("fetch -d file http://host/", 4, ["file", "not a folder"]),
        ("fetch -d /proc/nope http://host/", 4, ["/proc/nope"]),
        ("fetch --spool file --allow-private SERVER/photo/1.jpg", 4, ["--spool"]),
        ("resize -d file a.jpg", 4, ["file", "not a folder"]),
        ("resize -d /proc/nope a.jpg", 4, ["/proc/nope"]),
        ("shard file a.jpg", None, ["file"]),
        ("shard /proc/nope a.jpg", 4, ["/proc/nope"]),
        ("fetch --log /nowhere/log http://host/", 4, ["/nowhere/log"]),
        ("fetch --mode psychic", 2, ["psychic"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_done_is_one_clear_line(command, code, words, server, tmp_path):
    """A missing file, a place that cannot be written, a wrong option: one line, no traceback."""
    (tmp_path / "file").write_text("a file in the place of a folder")
    (tmp_path / "urls.csv").write_text("link,title\nhttp://host/,t\n")

    result = run_filter(*command.replace("SERVER", server).split(), cwd=tmp_path)

    assert_one_clear_line(result, code if code is not None else result.code, *words)
    assert result.code in (2, 4)


def test_a_parquet_file_without_the_extra_is_one_clear_line(tmp_path):
    """Whoever lacks the extra is told its name."""
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError('not here', name='pyarrow')\n")
    (tmp_path / "t.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")

    result = run_filter("read", "t.parquet", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})

    assert_one_clear_line(result, 2, "imgpipe[parquet]")


def test_a_text_file_as_an_image_is_a_failed_record(tmp_path):
    """A file that is no image, and one that is not there, cost a record each; the stream goes on."""
    out = io.BytesIO()
    Image.new("RGB", (300, 200)).save(out, "PNG")
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.png").write_bytes(out.getvalue())

    result = run_filter("resize", "-q", "a.txt", "nowhere.jpg", "b.png", cwd=tmp_path)

    kinds = {
        record["path"].rpartition("/")[2]: record.get("error")
        for record in result.records
        if "error" in record
    }
    assert kinds == {"a.txt": "not_image", "nowhere.jpg": "missing_file"}
    assert next(record["status"] for record in result.records if record["seq"] == 3) == "ok"
    assert (tmp_path / "a.txt").read_text() == "hello"


def test_a_stage_that_waits_moves(server):
    """`tail -f urls | imgpipe fetch | imgpipe resize` hands over each record at once."""
    script = f"PATH={Path(IMGPIPE).parent}:$PATH; {FETCH} | imgpipe resize -q"
    with subprocess.Popen(["bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as pipe:
        for n in range(3):
            pipe.stdin.write(f"{server}/photo/{n}.jpg\n".encode())
            pipe.stdin.flush()
            assert json.loads(pipe.stdout.readline())["status"] == "ok"
        pipe.stdin.close()
        assert pipe.wait(20) == 0


def test_the_second_signal_ends_fetch_at_once(slow, spool):
    """Whoever asks twice does not wait."""
    urls = [f"{slow}/broken/silent"] * 5
    fetch = subprocess.Popen(
        [IMGPIPE, "fetch", "--allow-private", "-q", *urls], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_until(lambda: requests(slow) > 5)
    fetch.send_signal(signal.SIGINT)
    fetch.send_signal(signal.SIGINT)

    wait_for_signal(fetch, signal.SIGINT, timeout=3)
    assert b"Traceback" not in fetch.stderr.read()
    fetch.stdout.close()
    fetch.stderr.close()
    assert not list(spool.glob("*/*"))
