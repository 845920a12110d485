"""What fetch promises about records and files: the same in all four modes."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import threading
from pathlib import Path

import pytest
from fetch.hostile import JPEG, Hostile, Peer, answer, good, refused
from helpers import picture, run_filter

JOBS = {"async": 16, "threads": 16, "processes": 2, "loop": 1, "workers": 16}
MODES = ("async", "threads", "processes", "loop")
ALL = pytest.mark.parametrize("mode", [*MODES, "workers"])
"""The four modes, and mode async with two worker processes."""


@pytest.fixture(params=MODES)
def mode(request):
    return request.param


def fetch(mode, *options, lines, **given):
    run = run_filter(
        "fetch",
        "-q",
        "--allow-private",
        *(("--workers", 2) if mode == "workers" else ("--mode", mode)),
        "-j",
        JOBS[mode],
        *options,
        lines=lines,
        **given,
    )
    assert (run.code, run.err) == (0, "")
    return run.records


def files_in(folder) -> list[str]:
    return sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())


@ALL
def test_one_record_in_one_record_out(mode, spool):
    """Whatever comes in comes out once, with its fields in their order, under a kind or with a file."""
    with Hostile({"good": good}) as server:
        extras = {
            "caption": "two\nlines, 🐈 and \u202e", "url": server.url("good/extras"), "labels": [1, {"b": None, "a": 2.5}],
            "text": "é" * 10_000, "id": 2**70, "key": "a", "width": 3, "seq": 77,
        }  # fmt: skip
        old = {
            "url": server.url("good/old"), "status": "failed", "stage": "fetch", "error": "http_status",
            "detail": "404 Not Found", "retryable": False, "http_status": 404, "attempts": 3, "seconds": 1.0,
            "file_name": "00000/1.jpg", "shard": "00000", "exif": {}, "sha256": "00", "mine": True,
        }  # fmt: skip
        over = {"status": "failed", "stage": "read", "error": "bad_line", "detail": "x", "path": "/x", "y": 1}
        done = {"url": server.url("good/done"), "status": "ok", "path": "/etc/passwd", "spooled": False}
        lines = [
            extras, old, over, done, {"id": 5}, {"url": 5, "id": 6}, {"url": None, "id": 7}, {"url": "", "id": 8},
            "ftp://127.0.0.1/x", "/no/scheme", "http://", "http://a b/", "http://127.0.0.1:0/", '{"broken": ',
            b"\xff\xfe", server.url("good/bare") + "\r", "  " + server.url("good/spaced"), "", "   ",
            server.url("good/#part"), {"url": server.url("good/long"), "text": "x" * ((1 << 20) - 100)},
        ]  # fmt: skip
        records = fetch(mode, lines=lines, env={"TERM": "dumb"})

    by_seq = {record["seq"]: record for record in records}
    assert len(records) == len(by_seq) == 19
    found = by_seq[77]
    assert {**extras, "width": None} == {**{name: found.get(name) for name in extras}, "width": None}
    assert [name for name in extras if name != "width"] == list(found)[: len(extras) - 1]
    assert "width" not in found
    fresh = by_seq[2]
    assert list(fresh)[:4] == ["url", "mine", "seq", "status"]
    assert (fresh["status"], fresh["http_status"], fresh["attempts"]) == ("ok", 200, 1)
    assert not {"file_name", "shard", "exif", "error", "stage", "detail", "retryable"} & set(fresh)
    assert hashlib.sha256(JPEG).hexdigest() == fresh["sha256"]
    assert {**over, "seq": 3} == by_seq[3]
    assert (by_seq[4]["status"], by_seq[4]["spooled"]) == ("ok", True)
    assert {seq: record.get("error") for seq, record in by_seq.items() if 5 <= seq <= 20} == {
        5: "bad_url", 6: "bad_url", 7: "bad_url", 8: "bad_url", 9: "bad_scheme", 10: "bad_url", 11: "bad_url",
        12: "bad_url", 13: "bad_url", 14: "bad_line", 15: "bad_line", 16: None, 17: None, 20: None,
    }  # fmt: skip
    assert server.url("good/bare") == by_seq[16]["url"]
    assert sorted(r["path"] for r in records if r["status"] == "ok") == files_in(spool)


def test_what_a_record_tells_of_its_file(mode, spool):
    """Type by the bytes, size, digest, status, attempts and time; where it went after a redirect."""
    png = picture(kind="PNG")
    faults = {
        "png": answer("200 OK", "Content-Type: image/jpeg", body=png),
        "moved": answer("301 Moved", "Location: /png/there", body=b""),
    }
    with Hostile(faults) as server:
        plain, moved = fetch(mode, "--ordered", lines=[server.url("png"), server.url("moved")])

    path = plain.pop("path")
    assert 0 <= plain.pop("seconds") < 10
    assert {
        "url": server.url("png"), "seq": 1, "status": "ok", "spooled": True, "bytes": len(png),
        "media_type": "image/png", "sha256": hashlib.sha256(png).hexdigest(), "http_status": 200, "attempts": 1,
    } == plain  # fmt: skip
    assert path.endswith(".png")
    assert path.startswith(f"{spool}/imgpipe-run-")
    assert server.url("png/there") == moved["final_url"]
    folder = os.open(Path(path).parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer has ended
    os.close(folder)


@ALL
def test_ordered_keeps_the_order(mode):
    """Records come out as they came in, however long each takes."""

    def late(peer: Peer):
        peer.server.closing.wait(random.random() / 20)
        return good(peer)

    with Hostile({"late": late}) as server:
        urls = [server.url(f"late/{n}") if n % 9 else "bad" for n in range(40)]
        records = fetch(mode, "--ordered", "--per-host", 0, lines=urls)

    assert urls == [record["url"] for record in records]


@ALL
def test_digests_are_made_and_compared(mode, spool):
    """`--verify` takes any of the three digests by its length; what does not fit is `hash_mismatch`."""
    sums = [hashlib.new(name, JPEG).hexdigest() for name in ("md5", "sha256", "sha512")]
    given = [*sums, sums[1].upper(), "0" * 64, "words", 5, None]
    with Hostile({"good": good}) as server:
        lines = [{"url": server.url("good"), "sum": value} for value in given] + [server.url("good")]
        records = fetch(mode, "--ordered", "--hash", "md5", "--verify", "sum", lines=lines)

    assert [record.get("error") for record in records] == [None] * 4 + ["hash_mismatch"] * 5
    assert given == [record["sum"] for record in records[:-1]]
    assert [sums[0]] * 4 == [record["md5"] for record in records[:4]]
    assert not any(record["retryable"] for record in records[4:])
    assert len(files_in(spool)) == 4


@pytest.mark.parametrize("mode", ["async", "processes"])
def test_a_digest_in_our_own_field_is_compared_and_stays(mode):
    """`--verify sha256` on a record of ours: the field is the user's wish, not what was found."""
    right, wrong = hashlib.sha256(JPEG).hexdigest(), "0" * 64
    with Hostile({"good": good}) as server:
        lines = [{"url": server.url("good"), "sha256": value} for value in (right, wrong)]
        one, other = fetch(mode, "--ordered", "--verify", "sha256", lines=lines)
        (bare,) = fetch(mode, "--hash", "none", lines=lines[1:])

    assert ("ok", right) == (one["status"], one["sha256"])
    assert ("hash_mismatch", wrong) == (other["error"], other["sha256"])
    assert "sha256" not in bare


def test_files_of_the_user_are_named_and_never_overwritten(mode, tmp_path, spool):
    """By key, made safe; else by a digest of the URL; a taken name gets a suffix."""
    folder = tmp_path / "my pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"mine")
    (folder / "b.jpg").symlink_to(tmp_path / "nowhere")
    with Hostile({"good": good, "missing": answer("404 Not Found")}) as server:
        url = server.url("good")
        keys = ["a", "a", "b", "../../x", "/etc/passwd", "CON", 7, "", "x.y", "." * 3, "é" * 300]
        lines = [{"url": url, "key": key} for key in keys] + [url, server.url("missing")]
        records = fetch(mode, "-d", folder, "--ordered", lines=lines)

    digest = hashlib.sha256(url.encode()).hexdigest()[:32]
    names = [Path(record["path"]).name for record in records[:-1]]
    assert {"a-2.jpg", "a-3.jpg"} == set(names[:2])
    assert names[2:7] == ["b-2.jpg", "x.jpg", "etc_passwd.jpg", "CON_.jpg", "7.jpg"]
    assert names[8] == "x_y.jpg"
    assert {f"{digest}.jpg", f"{digest}-2.jpg", f"{digest}-3.jpg"} == {names[7], names[9], names[11]}
    assert len(names[10].encode()) < 255
    assert {False} == {record["spooled"] for record in records[:-1]}
    assert (folder / "a.jpg").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere").exists()
    assert len(names) + 2 == len(os.listdir(folder))
    assert files_in(spool) == []


def flaky(status: str, *headers: str):
    """A handler that refuses the first request and answers the next ones."""

    def act(peer: Peer):
        if len(peer.server.requests(peer.request.name)) == 1:
            peer.send(answer(status, *headers, body=b"later"))
            return True
        return good(peer)

    return act


def test_troubles_that_may_pass_are_tried_again(mode):
    """As often as allowed, when the server wishes; others are not."""
    faults = {
        "500": flaky("500 Oops"),
        "429": flaky("429 Slow", "Retry-After: 1"),
        "404": answer("404 Not Found"),
        "408": answer("408 Request Timeout", body=b""),
        "429-day": answer("429 Slow", "Retry-After: 86400"),
    }
    with Hostile(faults) as server, refused() as dead:
        urls = {name: server.url(name, f"h{name}.test") for name in faults}
        urls["dead"] = f"http://hdead.test:{dead.getsockname()[1]}/"
        pins = [f"--resolve=h{name}.test:127.0.0.1" for name in urls]
        records = fetch(mode, "--retries", 1, *pins, lines=urls.values())
        first, second = server.requests("429")

    found = {record["url"]: (record["status"], record["attempts"], record.get("error")) for record in records}
    assert {name: found[url] for name, url in urls.items()} == {
        "500": ("ok", 2, None), "429": ("ok", 2, None), "404": ("failed", 1, "http_status"),
        "408": ("failed", 2, "http_status"), "429-day": ("failed", 1, "throttled"), "dead": ("failed", 2, "connect"),
    }  # fmt: skip
    assert second.at - first.at >= 1.0


def test_a_cap_holds_for_each_host(mode):
    """Never more than that many requests at once, nor more connections."""
    barrier = threading.Event()

    def late(peer: Peer):
        barrier.wait(0.03)
        return good(peer)

    with Hostile({"late": late}) as server:
        urls = [server.url(f"late/{n}", f"h{n % 2}.test") for n in range(24)]
        pins = ["--resolve=h0.test:127.0.0.1", "--resolve=h1.test:127.0.0.1"]
        records = fetch(mode, "--per-host", 2, *pins, lines=urls)

    assert {"ok"} == {record["status"] for record in records}
    for host in ("h0", "h1"):
        times = sorted(
            change
            for request in server.seen
            if request.headers["host"].startswith(host)
            for change in ((request.at, 1), (request.until, -1))
        )
        most = at_once = 0
        for _, change in times:
            at_once += change
            most = max(most, at_once)
        assert 1 <= most <= 2


def test_what_is_sent(mode):
    """A plain, honest request; the user's headers; no cookie ever; no secret to another origin."""
    with Hostile({"good": good, "cookie": answer("200 OK", "Set-Cookie: a=b; Path=/")}) as other:
        there = other.url("good", "localhost")
        cookie = answer("302 Found", f"Location: {there}", "Set-Cookie: a=b; Path=/", body=b"")
        faults = {"good": good, "away": cookie, "home": answer("302 Found", "Location: /good/2", body=b"")}
        with Hostile(faults) as server:
            url = server.url("good").replace("//", "//me:p%40ss@")
            urls = [
                url,
                url.replace("good", "home"),
                url.replace("good", "away"),
                url.replace("good", "good/é?a=b c"),
            ]
            options = ["--header", "X-Mine: 1", "--header", "Cookie: c=d", "--user-agent", "tester/1"]
            records = fetch(mode, *options, "--ordered", lines=urls)

    assert {"ok"} == {record["status"] for record in records}
    assert urls == [record["url"] for record in records]
    assert not any("p%40ss" in record.get("final_url", "") for record in records)
    expected = {
        "host": f"127.0.0.1:{server.port}", "user-agent": "tester/1", "accept": "image/*,*/*;q=0.5",
        "accept-encoding": "identity", "x-mine": "1", "cookie": "c=d", "authorization": "Basic bWU6cEBzcw==",
    }  # fmt: skip
    assert [expected] * 5 == [request.headers for request in server.seen]
    assert "/good/%C3%A9?a=b%20c" in [request.path for request in server.seen]
    (elsewhere,) = other.seen
    assert f"localhost:{other.port}" == elsewhere.headers["host"]
    assert {"host", "user-agent", "accept", "accept-encoding", "x-mine"} == set(elsewhere.headers)


@pytest.fixture
def placed(tmp_path):
    """A data set as `shard` leaves it, by hand: one placed twice, one failed for good, one not."""
    out = tmp_path / "out"
    (out / "__imgpipe__").mkdir(parents=True)

    def write(url):
        rows = [{"url": f"{url}/placed", "key": "", "file_name": "00000/0.jpg"}] * 2
        failed = [
            {"url": f"{url}/never", "status": "failed", "error": "tls", "retryable": False},
            {"url": f"{url}/later", "status": "failed", "error": "timeout", "retryable": True},
        ]
        (out / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (out / "__imgpipe__/failed.jsonl").write_text("".join(json.dumps(row) + "\n" for row in failed))
        return out

    return write


@pytest.mark.parametrize("mode", ["async", "threads", "workers"])
def test_resume_leaves_out_what_is_done(mode, placed):
    """As many equal lines as are placed; what failed for good unless asked for; the rest is fetched."""
    with Hostile({"good": good}) as server:
        url = server.url("good")
        out = placed(url)
        lines = [f"{url}/{name}" for name in ("placed", "placed", "placed", "never", "later", "new")]
        lines.append({"url": f"{url}/placed", "key": "other"})
        some = fetch(mode, "--resume", out, lines=lines)
        more = fetch(mode, "--resume", out, "--retry-failed", lines=lines)

    keyed = [f"{url}/{name}" for name in ("later", "new", "placed", "placed")]
    assert keyed == sorted(record["url"] for record in some)
    assert sorted([*keyed, f"{url}/never"]) == sorted(record["url"] for record in more)
