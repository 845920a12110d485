"""The command line of `imgpipe fetch`."""

from __future__ import annotations

import json
import sys

import pytest
from fetch.hostile import Hostile, answer, good
from helpers import Result, assert_one_clear_line, run_filter, shell

from imgpipe.cli import app


@pytest.fixture
def server():
    with Hostile({"good": good, "gone": answer("404 Not Found")}) as made:
        yield made


def fetch(*args, **given):
    return run_filter("fetch", "--allow-private", *args, **given)


def test_values_are_read_instead_of_the_input(server):
    """URLs and records alike, in the order that they have with `--ordered`."""
    record = json.dumps({"id": 1, "url": server.url("good/2")})

    run = fetch("--ordered", server.url("good/1"), record, lines=["http://not.read/"])

    assert [found.get("id") for found in run.records] == [None, 1]
    assert [found["seq"] for found in run.records] == [1, 2]


def test_values_may_end_with_nul(server):
    """As `find -print0` and `xargs -0` have them."""
    urls = [server.url("good/1"), server.url("good/\n2")]

    run = fetch("-0", "--ordered", stdin="\0".join(urls).encode())

    assert urls == [found["url"] for found in run.records]
    assert "/good/%0A2" in [request.path for request in server.seen]


def test_no_input_is_no_work():
    """Nothing comes out, and that is no failure."""
    for stdin in (b"", b"\n\n \n", b"\xef\xbb\xbf"):
        run = fetch("--ordered", "--fail", "-j", 1, stdin=stdin)
        assert (run.code, run.out) == (0, b"")


def test_failed_records_are_an_exit_code_where_asked(server):
    """Only then; what was skipped or is ok is no failure."""
    assert fetch("--retries", 0, server.url("gone")).code == 0
    assert fetch("--retries", 0, "--fail", server.url("gone"), server.url("good")).code == 3
    assert fetch("--fail", server.url("good")).code == 0


def test_the_log_has_a_line_a_record(server, tmp_path):
    """Appended, whatever became of it."""
    (tmp_path / "log").write_text("before\n")

    fetch("-q", "--log", tmp_path / "log", server.url("good"), server.url("gone"), "bad")

    before, *lines = (tmp_path / "log").read_text().splitlines()
    assert (before, len(lines)) == ("before", 3)
    assert all(any(word in line for line in lines) for word in ("http_status", "bad_url", "/good"))


def test_the_summary_tells_what_helps(server):
    """Counts, the commonest kinds with an example, and loudly where most failed."""
    run = run_filter(
        "fetch", "-v", "--retries", 0, lines=[server.url("good"), server.url("gone"), "http://a.invalid/"]
    )

    assert "imgpipe fetch: 0 ok, 3 failed" in run.err
    assert "2 blocked_address: 127.0.0.1 is not public" in run.err
    assert "--allow-private" in run.err
    assert "WARNING: most records failed (3 of 3)" in run.err
    assert fetch("-q", server.url("gone")).err == ""


def test_a_table_gets_a_hint(server):
    """Where the first line is a header."""
    run = fetch(lines=["url,caption", server.url("good")])

    assert "imgpipe read" in run.err
    assert sorted(
        [(found.get("error"), found["seq"]) for found in run.records], key=lambda pair: pair[1]
    ) == [("bad_url", 1), (None, 2)]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--mode", "fast"], ["--mode", "async"]),
        (["-j", "0"], ["concurrency"]),
        (["-j", "many"], ["concurrency"]),
        (["--workers", "2", "--mode", "threads"], ["--workers", "threads"]),
        (["--per-host", "some"], ["per-host", "auto"]),
        (["--per-host", "-1"], ["per-host"]),
        (["--per-host", "²"], ["per-host"]),
        (["--delay", "4-1"], ["--delay"]),
        (["--delay", "soon"], ["--delay"]),
        (["--timeout", "0"], ["--timeout"]),
        (["--timeout", "nan"], ["--timeout"]),
        (["--connect-timeout", "-1"], ["--connect-timeout"]),
        (["--retries", "-1"], ["--retries"]),
        (["--max-bytes", "huge"], ["--max-bytes", "20M"]),
        (["--max-redirects", "99"], ["--max-redirects"]),
        (["--header", "no colon"], ["--header", "Name: value"]),
        (["--header", "A: b\r\nHost: evil"], ["--header"]),
        (["--header", "A b: c"], ["--header"]),
        (["--header", ": c"], ["--header"]),
        (["--header", "A: é"], ["--header"]),
        (["--user-agent", "a\r\nHost: evil"], ["--user-agent"]),
        (["--user-agent", ""], ["--user-agent"]),
        (["--proxy", "gopher://a/"], ["--proxy", "http://"]),
        (["--proxy", ""], ["--proxy"]),
        (["--allow-net", "home"], ["--allow-net", "10.0.0.0/8"]),
        (["--resolve", "a"], ["--resolve", "HOST:ADDR"]),
        (["--resolve", "a:b"], ["--resolve"]),
        (["--hash", "crc32"], ["--hash", "sha256"]),
        (["--retry-failed"], ["--resume"]),
        (["--dir", "/dev/null"], ["/dev/null"]),
        (["--no-such-option"], ["--no-such-option"]),
    ],
)
def test_a_wrong_option_is_one_clear_line(monkeypatch, capfdbinary, args, words):
    """With what it should be; nothing is fetched."""
    monkeypatch.setattr(sys, "argv", ["imgpipe", "fetch", *args, "http://a.invalid/"])

    code = app._run()

    out, err = capfdbinary.readouterr()
    assert_one_clear_line(Result(code, out, err.decode()), 4 if args[0] == "--dir" else 2, *words)
    assert out == b""


def test_pins_and_networks_take_both_versions(server):
    """Addresses in brackets too; a network may be one address."""
    run = run_filter(
        "fetch", "-q", "--allow-net", "127.0.0.0/8", "--allow-net", "::1", "--resolve", "A.test:127.0.0.1", "--retries", 0,
        "--resolve", "b.test:[::1]", "--ordered", lines=[server.url("good", "a.test"), server.url("good", "b.test")],
    )  # fmt: skip

    # Nobody listens at the second, which was allowed.
    assert [found.get("error") for found in run.records] == [None, "connect"]


def test_a_folder_is_made(server, tmp_path):
    """With its parents; files in it are the user's."""
    run = fetch("-d", tmp_path / "a/b", server.url("good"))

    assert str(tmp_path / "a/b") == run.records[0]["path"].rpartition("/")[0]
    assert run.records[0]["spooled"] is False


def test_a_spool_of_the_user_s_choice(server, tmp_path, spool):
    """`--spool` comes before the environment."""
    run = fetch("--spool", tmp_path / "s", server.url("good"))

    assert run.records[0]["path"].startswith(f"{tmp_path}/s/imgpipe-run-")
    assert not spool.exists()


def test_records_move_while_the_input_is_open(server, tmp_path):
    """Each comes out as soon as it is done: `tail -f urls | imgpipe fetch | …` moves."""
    run = shell(
        "mkfifo pipe; imgpipe fetch -q --allow-private < pipe > out & exec 3> pipe; "
        f"echo {server.url('good/1')} >&3; until [ -s out ]; do :; done; cat out; exec 3>&-; wait",
        cwd=tmp_path,
        timeout=20,
    )

    assert len(run.records) == 1


def test_help_and_start_are_light():
    """Help loads no network library, and fetch itself none but trio without a proxy."""
    script = (
        "import sys; sys.argv = ['imgpipe', 'fetch', {args}]\n"
        "import atexit; atexit.register(lambda: print(sorted({{'trio', 'httpx', 'PIL', 'pyarrow'}} & set(sys.modules)), file=sys.stderr))\n"
        "from imgpipe.cli import main; main()"
    )
    for args, loaded in (("'--help'", "[]"), ("'-q', 'bad'", "['trio']")):
        run = shell(f'{sys.executable} -c "{script.format(args=args)}"')
        assert (0, loaded) == (run.code, run.err.splitlines()[-1])


def test_the_last_stage_tells_where_the_files_are(server, tmp_path):
    """Without `-d` they wait in the spool, which nobody would find; where there is none, nothing is told."""
    told = "the files are in the spool"
    (tmp_path / "out.jsonl").touch()
    here = f"imgpipe fetch --allow-private {server.url('good')}"

    assert told in shell(f"{here} > out.jsonl", cwd=tmp_path).err
    assert told in shell(f"{here} -d kept | imgpipe resize > out.jsonl", cwd=tmp_path).err
    for script in (
        f"{here} -d kept > out.jsonl",
        f"{here} -q > out.jsonl",
        f"{here} | imgpipe resize -d small > out.jsonl",
        f"imgpipe fetch {server.url('good')} > out.jsonl",
        f"{here} | imgpipe shard out",
    ):
        assert told not in shell(script, cwd=tmp_path).err, script


def test_what_is_left_out_is_told(server, tmp_path):
    """A resumed pipe with nothing left to do says why it placed nothing."""
    script = f"imgpipe fetch --allow-private --resume out {server.url('good')} | imgpipe shard out"

    assert "left out" not in shell(script, cwd=tmp_path).err
    assert "imgpipe fetch: 1 left out, done before" in shell(script, cwd=tmp_path).err


def test_a_folder_to_resume_that_is_not_there_is_told(server, tmp_path):
    """A slip in the name after `--resume`, which fetches everything again, is told, except with -q."""
    (tmp_path / "out").mkdir()
    told = "imgpipe fetch: --resume uot: there is no such folder, so all was fetched"
    script = f"imgpipe fetch --allow-private {{}} {server.url('good')} | imgpipe shard out"

    assert told in shell(script.format("--resume uot"), cwd=tmp_path).err
    for silent in ("--resume out", "-q --resume uot"):
        assert "--resume" not in shell(script.format(silent), cwd=tmp_path).err


def test_the_help_shows_auto_as_it_is_taken():
    """What --help shows for --per-host may be typed: values are in small letters only."""
    assert "--per-host N|auto " in run_filter("fetch", "--help").out.decode()
    assert run_filter("fetch", "-q", "--per-host", "auto").code == 0
