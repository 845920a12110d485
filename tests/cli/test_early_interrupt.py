from __future__ import annotations

import signal

import pytest
from helpers import run_filter


@pytest.mark.parametrize("command", ["read", "demo"])
def test_an_interrupt_while_modules_are_loaded_shows_no_traceback(tmp_path, command):
    """Ctrl-C in the first tenths of a second ends the process by the signal, silently."""
    (tmp_path / "click.py").write_text("import os\nos.kill(os.getpid(), 2)\nfrom no import way\n")
    result = run_filter(command, env={"PYTHONPATH": str(tmp_path)})
    assert (result.code, result.err) == (-signal.SIGINT, "")


def test_an_ignored_interrupt_stays_ignored(tmp_path):
    """A shell that starts a command in the background has it ignore Ctrl-C until it reads."""
    (tmp_path / "orjson.py").write_text(
        "import signal\nprint(int(signal.getsignal(2)), flush=True)\nraise SystemExit"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        result = run_filter("read", env={"PYTHONPATH": str(tmp_path)})
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.out == b"1\n"
