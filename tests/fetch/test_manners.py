"""How servers are treated, by their own clocks and counts."""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from fetch.hostile import Hostile, Peer, answer, good
from helpers import run_filter


def fetch(*options, lines):
    run = run_filter("fetch", "-q", "--allow-private", *options, lines=lines)
    assert (run.code, run.err) == (0, "")
    return run.records


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_a_delay_is_kept_from_start_to_start(mode):
    """One at a time to each host, no sooner than said; another host does not wait for it."""
    with Hostile({"good": good}) as server:
        urls = [server.url(f"good/{n}", host) for n in range(5) for host in ("a.test", "b.test")]
        pins = ["--resolve=a.test:127.0.0.1", "--resolve=b.test:127.0.0.1"]
        records = fetch("--mode", mode, "--delay", "0.2-0.3", *pins, lines=urls)
        seen = server.seen

    assert {"ok"} == {record["status"] for record in records}
    for host in ("a.test", "b.test"):
        mine = [request for request in seen if request.headers["host"].startswith(host)]
        gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(mine)]
        # A request that is late on its way, on a busy machine, comes closer to the next one.
        assert all(gap > 0.1 for gap in gaps)
        assert mine[-1].at - mine[0].at > 0.79
        assert all(earlier.until <= later.at for earlier, later in itertools.pairwise(mine))
    assert seen[-1].at - seen[0].at < 2.5


def test_a_host_that_asks_to_wait_is_left_alone_and_no_other():
    """Its pause holds for all of its URLs; the others go on meanwhile."""
    begun = []

    def busy(peer: Peer):
        if not begun:
            begun.append(peer.request.at)
        if peer.request.at - begun[0] < 1.0:
            peer.send(answer("503 Busy", "Retry-After: 1", body=b""))
            return True
        return good(peer)

    with Hostile({"busy": busy, "good": good}) as server:
        urls = [server.url(f"busy/{n}", "busy.test") for n in range(3)]
        urls += [server.url(f"good/{n}", "good.test") for n in range(30)]
        pins = ["--resolve=busy.test:127.0.0.1", "--resolve=good.test:127.0.0.1"]
        records = fetch("--retries", 2, *pins, lines=urls)

        assert {"ok"} == {record["status"] for record in records}
        refused_ones = [request for request in server.requests("busy") if request.at - begun[0] < 1.0]
        assert len(refused_ones) <= 4
        assert max(request.at for request in refused_ones) - begun[0] < 0.5
        assert max(request.at for request in server.requests("good")) - begun[0] < 1.0


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_all_that_may_be_asked_are(mode):
    """Hosts whose pauses end at one moment are asked together, and none waits for another's answer."""
    hosts = [f"h{n}.test" for n in range(12)]
    together = threading.Barrier(len(hosts))
    paused = set()

    def busy(peer: Peer):
        if (host := peer.request.headers["host"]) not in paused:
            paused.add(host)
            peer.send(answer("503 Busy", "Retry-After: 1", body=b""))
            return True
        together.wait(10)
        return good(peer)

    with Hostile({"busy": busy}) as server:
        pins = [f"--resolve={host}:127.0.0.1" for host in hosts]
        urls = [server.url("busy", host) for host in hosts]
        records = fetch("--mode", mode, "--retries", 1, *pins, lines=urls)

    assert {"ok"} == {record["status"] for record in records}


def test_a_date_to_wait_for_is_obeyed():
    """Retry-After as a date, which has whole seconds."""
    until = []

    def later(peer: Peer):
        if until:
            return good(peer)
        until.append(datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2))
        peer.send(answer("429 Slow", f"Retry-After: {format_datetime(until[0], usegmt=True)}", body=b""))
        return True

    with Hostile({"later": later}) as server:
        (record,) = fetch("--retries", 1, lines=[server.url("later")])

        assert (record["status"], record["attempts"]) == ("ok", 2)
        first, second = server.seen
        assert second.at - first.at > 0.9


def test_what_opts_out_is_skipped_before_its_body():
    """Only the head is read; the user may override it."""

    def out(peer: Peer):
        peer.send(answer("200 OK", "X-Robots-Tag: noai", body=b"", length=5_000_000))
        peer.stall()

    with Hostile({"out": out, "tagged": answer("200 OK", "X-Robots-Tag: noai")}) as server:
        (record,) = fetch(lines=[server.url("out")])
        (taken,) = fetch("--ignore-opt-out", lines=[server.url("tagged")])

    assert tuple(record[name] for name in ("status", "error", "http_status", "retryable")) == (
        "skipped",
        "opted_out",
        200,
        False,
    )
    assert record["seconds"] < 2
    assert taken["status"] == "ok"


def test_no_more_connections_than_requests_in_flight():
    """`-j` bounds both, over all hosts."""

    def late(peer: Peer):
        peer.server.closing.wait(0.02)
        return good(peer)

    with Hostile({"late": late}) as server:
        urls = [server.url(f"late/{n}") for n in range(60)]
        fetch("-j", 5, "--per-host", 0, lines=urls)

    assert server.most_at_once == 5
    assert server.connections <= 6


def test_what_a_url_keeps_secret_is_not_told(tmp_path):
    """A password in a URL stays in its record, where it came from, and goes nowhere else."""
    with Hostile({"good": good}) as server:
        urls = [server.url("good").replace("//", "//me:hunter2@"), "http://me:hunter2@127.0.0.1:1/"]
        run = run_filter(
            "fetch", "-v", "--allow-private", "--retries", 0, "--log", tmp_path / "log", lines=urls
        )

    assert urls == [record.pop("url") for record in sorted(run.records, key=lambda record: record["seq"])]
    assert "hunter2" not in run.err
    assert not any("hunter2" in str(record.get("detail")) for record in run.records)
