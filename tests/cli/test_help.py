from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import IMGPIPE, Terminal, assert_one_clear_line, run_filter

from imgpipe.cli import help as helps
from imgpipe.cli.app import COMMANDS

MAN = shutil.which("man")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_in_a_pipe_is_the_text_of_help(name):
    """Where nobody can page, `help CMD` is `CMD --help`."""
    result = run_filter("help", *([name] if name else []))

    assert run_filter(*([name] if name else []), "--help").out == result.out
    assert result.code == 0


@pytest.mark.skipif(MAN is None, reason="there is no man here")
@pytest.mark.parametrize(("args", "title"), [([], "IMGPIPE(1)"), (["clean"], "IMGPIPE-CLEAN(1)")])
def test_help_on_a_terminal_is_the_manual_page(args, title):
    """With a terminal and man the page itself is shown, also where no environment is activated."""
    terminal = Terminal(
        [IMGPIPE, "help", *args], env={"PAGER": "cat", "MANPAGER": "cat", "MANPATH": "/nowhere"}
    )

    assert title in terminal.finish()
    assert terminal.process.returncode == 0


@pytest.mark.skipif(MAN is None, reason="there is no man here")
@pytest.mark.parametrize(
    ("name", "words"), [("record", b"KINDS OF ERROR"), ("cluster", b"Slurm"), ("cookbook", b"PHOTOGRAPHS")]
)
def test_pages_of_no_command_are_shown_too(name, words):
    """In a pipe too, since they have no --help."""
    result = run_filter("help", name, env={"MAN_KEEP_FORMATTING": "", "MANPATH": "/nowhere"})

    assert (result.code, words in result.out) == (0, True), result.err


def test_a_page_of_no_command_without_man_tells_where_it_is(tmp_path):
    """One line, with the path of the page."""
    assert_one_clear_line(
        run_filter("help", "cookbook", env={"PATH": str(tmp_path)}), 2, "imgpipe-cookbook.7"
    )


def test_every_page_is_a_command_or_a_topic():
    """A page that nothing leads to would not be read."""
    pages = {page.name for page in (Path(__file__).parents[2] / "man").glob("imgpipe-*.[1-8]")}

    topics = {f"imgpipe-{name}.{section}" for name, section in helps.TOPICS.items()}
    assert pages == topics | {f"imgpipe-{name}.1" for name in COMMANDS}


def test_help_without_man_is_the_text_of_help(tmp_path):
    """A terminal without man gets the text."""
    terminal = Terminal([IMGPIPE, "help", "clean"], env={"PATH": str(tmp_path)})

    assert "Usage: imgpipe clean" in terminal.finish()


def test_an_unknown_command_is_one_clear_line():
    """The line names the commands that there are."""
    assert_one_clear_line(run_filter("help", "fitch"), 2, "fitch", "fetch")


def test_a_page_that_is_not_installed_is_none(monkeypatch):
    """Elsewhere than in a checkout or an installation there is no page."""
    monkeypatch.setattr(helps, "__file__", "/nowhere/imgpipe/cli/help.py")
    monkeypatch.setattr(helps.sysconfig, "get_path", lambda _: "/nowhere")

    assert helps.page_of("clean") is None
