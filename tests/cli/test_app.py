from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import assert_one_clear_line, run_filter, shell

from imgpipe.cli.app import COMMANDS


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["clean", "-h"], ["help", "--help"]])
def test_help_is_on_standard_output(args):
    """Asked for, help is output, not an error; its example keeps its form."""
    result = run_filter(*args)

    assert result.code == 0
    assert result.out.startswith(b"Usage: imgpipe")
    assert result.err == ""
    if args == ["--help"]:
        assert b"\n      cut -d, -f2 urls.csv | imgpipe fetch | " in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_list_has_help(name):
    """What the list names can be run."""
    result = run_filter(name, "--help")

    assert result.code == 0, result.err
    assert f"Usage: imgpipe {name}".encode() in result.out


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["nope"], "nope"),
        (["--nope"], "--nope"),
        (["clean", "--nope"], "--nope"),
        (["clean", "extra"], "extra"),
        (["clean", "--older-than", "long"], "long"),
        (["help", "nope"], "nope"),
        (["completion", "tcsh"], "tcsh"),
        (["fetch", "--mode", "psychic"], "psychic"),
        (["resize", "--size", "0"], "size"),
        (["shard"], "OUT"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_one_clear_line(args, word):
    """Usage errors exit 2 with one line that names what is wrong."""
    assert_one_clear_line(run_filter(*args), 2, word)


def test_without_a_command_there_is_help():
    """`imgpipe` alone tells what there is; it is no success."""
    result = run_filter()

    assert result.code == 2
    assert "Commands:" in result.err


@pytest.mark.parametrize("args", ["--version", "--help", "clean --help", "help", "completion bash"])
def test_a_closed_pipe_is_silent(args):
    """Whoever reads no further gets no complaint: the process dies by SIGPIPE."""
    # The reader is gone before the first write: it waits for nothing.
    result = shell(f"{{ sleep 0.2; imgpipe {args}; echo ${{PIPESTATUS[0]}} >&2; }} | true")

    assert result.err == "141\n"


@pytest.mark.parametrize("args", ["--version", "--help", "completion bash"])
def test_a_full_disk_is_one_line(args):
    """Output that cannot be written exits 4."""
    result = shell(f"imgpipe {args} >/dev/full")

    assert_one_clear_line(result, 4, "No space left on device")


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("imgpipe --version >&-", 4),
        ("imgpipe --help >&-", 4),
        ("imgpipe nope 2>&-", 2),
        ("imgpipe nope 2>/dev/full", 2),
        ("imgpipe --help 2>&- <&- >/dev/null", 0),
        ("imgpipe clean <&- >&- 2>&-", 0),
        ("imgpipe shard out <&-", 2),
        ("imgpipe resize -d d /nowhere.jpg >&-", 4),
    ],
)
def test_closed_streams(script, code, tmp_path):
    """Streams that arrive closed are no crash, and what is meant for one never lands in another."""
    result = shell(script, cwd=tmp_path)

    assert code == result.code, result.err
    assert result.out == b""
    assert "Traceback" not in result.err


def test_a_folder_as_standard_input_ends_before_imgpipe():
    """Python itself refuses it: no output, and not a success."""
    result = shell("imgpipe fetch < /")

    assert result.code != 0
    assert result.out == b""


def test_an_interrupt_while_it_starts_is_quiet():
    """Ctrl-C during the start ends the process by the signal, without a traceback."""
    code = (
        "import os, signal, sys\n"
        "from imgpipe.cli import app\n"
        "app.LazyGroup.get_command = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv[1:] = ['clean']\n"
        "app.run()\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (-2, b"")


def test_an_interrupt_while_it_is_read_is_quiet(tmp_path):
    """So is Ctrl-C before that, while libraries are imported."""
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")

    result = run_filter("clean", env={"PYTHONPATH": str(tmp_path)})

    assert (result.code, result.err) == (-2, "")


def test_a_bug_shows_itself():
    """What nobody foresaw is a traceback and exit 1, not a silent success."""
    code = (
        "import sys\n"
        "from imgpipe.cli import app\n"
        "app.LazyGroup.get_command = lambda *_: 1 / 0\n"
        "sys.argv[1:] = ['clean']\n"
        "app.run()\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)

    assert done.returncode == 1
    assert b"ZeroDivisionError" in done.stderr


def test_exit_3_where_records_failed_and_it_was_asked_for():
    """Failed records are records; only with `--fail` do they show in the exit code."""
    line = {
        "url": "http://x",
        "status": "failed",
        "stage": "fetch",
        "error": "dns",
        "detail": "",
        "retryable": True,
    }

    assert run_filter("resize", lines=[line]).code == 0
    assert run_filter("resize", "--fail", lines=[line]).code == 3


@pytest.mark.parametrize(("typed", "meant"), [("ftech", "'fetch'"), ("shrad", "'shard'"), ("xyzzy", None)])
def test_a_mistyped_command_names_the_one_that_was_meant(typed, meant):
    """One near in its letters; where none is, only that there is no such command."""
    result = run_filter(typed)

    assert_one_clear_line(result, 2, f"'{typed}'", meant or "No such command")
    assert ("Did you mean" in result.err) is (meant is not None)
