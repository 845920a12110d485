from __future__ import annotations

import shutil

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
