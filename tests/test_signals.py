from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers import wait_for_signal

from imgpipe import signals
from imgpipe.signals import ReaderWatch, Stop, handled

PASSING = [sys.executable, str(Path(__file__).with_name("passing.py"))]


def start(*args, **options):
    """The passing stage, at work: it has read a line and waits for the next."""
    stage = subprocess.Popen(
        [*PASSING, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    )
    stage.stdin.write(b"http://a\n")
    stage.stdin.flush()
    assert json.loads(stage.stdout.readline())["url"] == "http://a"
    return stage


def finish(stage):
    for stream in (stage.stdin, stage.stdout, stage.stderr):
        stream.close()
    stage.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_stage_by_itself(number):
    """A stage without grace stops at once, silently, and dies by the signal that it got."""
    stage = start("-q", "--grace", "0")
    began = time.monotonic()

    stage.send_signal(number)

    wait_for_signal(stage, number)
    assert time.monotonic() - began < 2
    assert stage.stderr.read() == b""
    assert stage.stdout.read() == b""
    finish(stage)


def test_a_stage_with_grace_drains_to_the_end_of_its_input():
    """What still comes in is passed on; then the stage dies by the signal."""
    stage = start("-q", "--grace", "30")
    stage.send_signal(signal.SIGINT)

    stage.stdin.write(b"http://b\nhttp://c")
    stage.stdin.close()

    assert [json.loads(line)["url"] for line in stage.stdout] == ["http://b", "http://c"]
    wait_for_signal(stage, signal.SIGINT)
    finish(stage)


def test_the_grace_ends_by_the_clock():
    """An input that stays open holds the stage no longer than its grace."""
    stage = start("-q", "--grace", "0.2")

    stage.send_signal(signal.SIGTERM)

    wait_for_signal(stage, signal.SIGTERM)
    finish(stage)


def test_the_second_signal_ends_it_there_and_then():
    """Whoever asks twice does not wait for the grace."""
    stage = start("-q", "--grace", "600")
    stage.send_signal(signal.SIGINT)
    # A line that comes through after the first one shows that it was heard.
    stage.stdin.write(b"http://b\n")
    stage.stdin.flush()
    stage.stdout.readline()

    stage.send_signal(signal.SIGTERM)

    wait_for_signal(stage, signal.SIGTERM)
    finish(stage)


def test_a_stage_that_does_not_stop_is_ended(tmp_path):
    """A stage that hangs in its work is ended some seconds after its grace."""
    script = tmp_path / "hangs.py"
    script.write_text(
        "import threading\n"
        "from imgpipe import signals\n"
        "signals.ABORT_AFTER = 0.1\n"
        "stop = signals.Stop(0.1)\n"
        "with signals.handled(stop):\n"
        "    print('ready', flush=True)\n"
        "    threading.Event().wait()\n"
    )
    stage = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE)
    stage.stdout.readline()

    stage.send_signal(signal.SIGTERM)

    wait_for_signal(stage, signal.SIGTERM)
    stage.stdout.close()


def test_a_closed_pipe_ends_a_waiting_stage(spool):
    """Even while nothing is written a stage whose reader left dies by SIGPIPE, its files removed."""
    stage = start("--spool", str(spool))
    assert list(spool.iterdir())

    stage.stdout.close()

    wait_for_signal(stage, signal.SIGPIPE)
    assert stage.stderr.read() == b""
    assert not list(spool.iterdir())
    stage.stdin.close()
    stage.stderr.close()


def test_a_closed_pipe_ends_a_writing_stage(spool):
    """A stage in the middle of its work ends silently by SIGPIPE, its files removed."""
    command = f"yes http://a | {PASSING[0]} {PASSING[1]} --spool '{spool}' | head -1; echo ${{PIPESTATUS[1]}}"

    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30, check=True)

    assert done.stdout.endswith(b"}\n141\n")
    assert done.stderr == b""
    assert not list(spool.iterdir())


LOST = """
import atexit, signal, sys, threading
from imgpipe import signals
from imgpipe.signals import ReaderWatch
atexit.register(threading.Event().wait)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
watch = ReaderWatch(1)
def torn():
    raise RuntimeError("reentrant call")
watch.at_end(torn)
watch.at_end(lambda: print("cleaned", file=sys.stderr, flush=True))
watch.start()
threading.Event().wait()
"""


def test_nothing_holds_a_stage_whose_reader_left():
    """Neither a block of the signal that it inherited, nor a cleaning that fails, nor what a library would wait
    for at an exit."""
    reader, writer = os.pipe()
    stage = subprocess.Popen([sys.executable, "-c", LOST], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    os.close(reader)

    wait_for_signal(stage, signal.SIGPIPE)
    assert stage.stderr.read() == b"cleaned\n"
    stage.stderr.close()


def test_the_main_thread_is_told_until_it_hears(monkeypatch):
    """A signal that comes just before it waits for a lock is lost, so there is a next one."""
    told = []
    ended = threading.Event()

    def tell(number):
        told.append(number)
        if len(told) == 3:
            ended.set()
            threading.Event().wait()

    monkeypatch.setattr(signals, "_at_main_thread", tell)
    monkeypatch.setattr(signals, "AGAIN", 0.001)
    before = signal.getsignal(signal.SIGPIPE)
    reader, writer = os.pipe()

    ReaderWatch(writer).start()
    os.close(reader)

    assert ended.wait(10)
    signal.signal(signal.SIGPIPE, before)
    assert told == [signal.SIGPIPE] * 3
    os.close(writer)


def test_a_named_pipe_whose_reader_left_does_not_hold_a_stage(tmp_path):
    """The stage ends by SIGPIPE, where opening the pipe anew would wait for ever."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fifo, os.O_WRONLY)
    os.close(reader)

    done = subprocess.run(PASSING, input=b"http://a\n", stdout=writer, check=False, timeout=20)

    assert done.returncode == -signal.SIGPIPE
    os.close(writer)


def test_a_signal_of_a_foreign_socket_is_not_meant():
    """SIGPIPE, which sockets raise whenever a server has closed, ends nothing while the reader lives."""
    stage = start()

    stage.send_signal(signal.SIGPIPE)
    stage.stdin.write(b"http://b\n")
    stage.stdin.close()

    assert json.loads(stage.stdout.readline())["url"] == "http://b"
    assert stage.wait(10) == 0
    finish(stage)


def test_who_registers_is_called_once_asked():
    """A callback is called at the request, or at once where the request came before; not after its context."""
    called = []
    stop = Stop()
    with stop.calls(lambda: called.append("early")):
        assert not stop.requested
        stop.request(signal.SIGTERM)
    with stop.calls(lambda: called.append("late")):
        pass

    assert called == ["early", "late"]
    assert stop.signal == signal.SIGTERM
    assert stop.seconds_left() == 0.0


def test_nobody_asked_is_no_limit():
    """Before a request there is no end of the time to read."""
    assert Stop().seconds_left() is None


def test_handlers_are_given_back():
    """After the context the signals mean what they meant, and no watchdog is left."""
    before = signal.getsignal(signal.SIGTERM)
    stop = Stop(grace=60)

    with handled(stop):
        os.kill(os.getpid(), signal.SIGTERM)

    assert stop.requested
    assert before is signal.getsignal(signal.SIGTERM)
    timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    assert all(timer.finished.is_set() for timer in timers)


def test_nothing_to_watch_starts_no_thread():
    """Where standard output is no pipe there is no watch."""
    before = threading.active_count()
    handler = signal.getsignal(signal.SIGPIPE)

    ReaderWatch(None).start()

    signal.signal(signal.SIGPIPE, handler)
    assert before == threading.active_count()
