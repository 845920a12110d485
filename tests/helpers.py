"""What tests share: running the real command in real pipes, and small pictures."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

IMGPIPE = f"{Path(sys.executable).parent}/imgpipe"


@dataclass
class Result:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def records(self) -> list[dict]:
        """Standard output as records; fails where a line is not whole."""
        assert not self.out or self.out.endswith(b"\n")
        return [json.loads(line) for line in self.out.splitlines()]


def run_filter(*args, lines=(), stdin: bytes | None = None, env=None, cwd=None, timeout=60) -> Result:
    """Run `imgpipe ARGS` with `lines` (str, bytes or dict) on its standard input."""
    data = stdin if stdin is not None else b"".join(as_line(line) for line in lines)
    done = subprocess.run(
        [IMGPIPE, *map(str, args)],
        input=data,
        capture_output=True,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


def shell(script: str, *, stdin: bytes | None = None, env=None, cwd=None, timeout=60) -> Result:
    """Run a bash script in which `imgpipe` is the one under test, with pipefail."""
    path = f"{Path(IMGPIPE).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail\n" + script],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={**os.environ, "PATH": path, **(env or {})},
        cwd=cwd,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


def as_line(line) -> bytes:
    if isinstance(line, bytes):
        return line + b"\n"
    if isinstance(line, str):
        return line.encode() + b"\n"
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def assert_one_clear_line(result: Result, code: int, *words: str) -> None:
    """The command ended with `code` after one line on stderr that holds `words`, and no traceback."""
    assert result.code == code, result.err
    lines = [line for line in result.err.splitlines() if line.startswith(("imgpipe: ", "Error: "))]
    assert len(lines) == 1, result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in lines[0]


def picture(width=64, height=48, kind="JPEG", mode="RGB", seed=0, **save) -> bytes:
    """A small picture with content that compresses like a photograph's: gradients, not noise."""
    base = Image.linear_gradient("L").resize((width, height))
    other = Image.radial_gradient("L").resize((width, height)).rotate(seed * 37 % 360)
    image = Image.merge("RGB", (base, other, Image.eval(base, lambda v: (v * 3 + seed * 11) % 256)))
    out = io.BytesIO()
    image.convert(mode).save(out, kind, **save)
    return out.getvalue()


def wait_for_signal(process: subprocess.Popen, number: signal.Signals, timeout=10) -> None:
    """The process ends by this signal."""
    assert process.wait(timeout) == -number


class Terminal:
    """A terminal (pty) on which a command runs, with what it shows.

    Args:
        args: The command.
        streams: The standard streams that lead to the terminal; the others as given to `Popen`.
    """

    def __init__(self, args, streams=("stdin", "stdout", "stderr"), **options):
        self._master, slave = pty.openpty()
        self.shown = b""
        env = {**os.environ, "TERM": "xterm", "NO_COLOR": "", **options.pop("env", {})}
        self.process = subprocess.Popen(
            args, env=env, start_new_session=True, **dict.fromkeys(streams, slave), **options
        )
        os.close(slave)

    def type(self, text: str) -> None:
        """As a person types it; Ctrl-D, U+0004, ends the input."""
        os.write(self._master, text.encode())

    def wait_for(self, text: str, timeout=10) -> None:
        """Until the terminal shows `text`."""
        deadline = time.monotonic() + timeout
        while text.encode() not in self.shown:
            if not self._read(deadline):
                raise AssertionError(f"never shown: {text!r} in {self.shown!r}")

    def finish(self, timeout=20) -> str:
        """All that was shown, once the command has ended."""
        deadline = time.monotonic() + timeout
        while self._read(deadline):
            pass
        self.process.wait(max(0.1, deadline - time.monotonic()))
        os.close(self._master)
        return self.shown.decode()

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            chunk = os.read(self._master, 65_536)
        except OSError:
            return False  # the last process that had it open has ended
        self.shown += chunk
        return bool(chunk)
