from __future__ import annotations

from imgpipe.errors import Kind
from imgpipe.tally import Tally


def tally_of(*records):
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def failed(kind, detail="why"):
    return {"status": "failed", "error": kind, "detail": detail}


def test_counts_by_status_and_kind():
    """Each record counts once, by its status, and the bytes of the good ones add up."""
    tally = tally_of(
        {"status": "ok", "bytes": 10},
        {"bytes": 5},
        {"status": "ok", "bytes": "many"},
        failed("dns"),
        {"status": "skipped", "error": "too_small"},
    )

    assert (tally.done, tally.ok, tally.failed, tally.skipped) == (5, 3, 1, 1)
    assert tally.bytes == 15
    assert dict(tally.kinds) == {"dns": 1, "too_small": 1}


def test_kinds_from_outside_do_not_grow_the_table():
    """A million invented kinds are one line."""
    tally = tally_of(*(failed(f"kind{n}") for n in range(50)), failed(None), failed(["x"]))

    assert dict(tally.kinds) == {"other": 52}


def test_the_line_names_only_what_there_is():
    """Zeros are not worth a word; the rate copes with no time at all."""
    tally = tally_of({"status": "ok"})
    assert tally.line(2.0) == "1 ok in 2.0 s (0/s)"

    tally.left_out, tally.unfinished = 3, 2
    tally.add(failed("dns"))
    tally.add({"status": "skipped", "error": "aspect"})
    assert tally.line(0.0) == "1 ok, 1 skipped, 1 failed, 3 done before, 2 unfinished in 0.0 s (0/s)"


def test_the_summary_names_the_commonest_and_what_helps():
    """The commonest kinds come first, each with an example and a hint; the rest is counted."""
    kinds = ["timeout"] * 3 + ["dns"] * 2 + ["tls", "empty", "decode", "internal", "aspect"]
    lines = tally_of({"status": "ok"}, *(failed(kind) for kind in kinds)).summary("fetch", 1.0)

    assert lines[0].startswith("imgpipe fetch: 1 ok, 10 failed")
    assert lines[1].startswith("  3 timeout: why\n    --timeout")
    assert "  and 2 other kinds" in lines
    assert "WARNING: most records failed (10 of 11)" in lines[-1]


def test_the_summary_names_the_file_of_the_failed():
    """Whoever wants to try again is told how."""
    tally = tally_of({"status": "ok"}, {"status": "ok"}, failed("dns"))
    tally.failed_file = "out/__imgpipe__/failed.jsonl"

    lines = tally.summary("shard", 1.0)

    assert "  the failed and skipped records are in out/__imgpipe__/failed.jsonl" in lines
    assert "WARNING" not in lines[-1]


def test_nothing_from_outside_reaches_the_summary_unescaped():
    """An example is a detail that came from the network."""
    lines = tally_of(failed("protocol", "\x1b[2Jgone\n")).summary("fetch", 1.0)

    assert "\x1b" not in "".join(lines)
    assert Kind.PROTOCOL in lines[1]
