from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, safe
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
    assert lines[1] == "  3 timeout: why"
    assert lines[2].startswith("    --timeout")
    assert "  and 2 of 2 other kinds" in lines
    assert "WARNING: most records failed (10 of 11)" in lines[-1]


def test_the_summary_names_the_file_of_the_failed():
    """Whoever wants to try again is told how."""
    tally = tally_of({"status": "ok"}, {"status": "ok"}, failed("dns"))
    tally.failed_file = "out/__imgpipe__/failed.jsonl"

    lines = tally.summary("shard", 1.0)

    assert "  the failed and skipped records are in out/__imgpipe__/failed.jsonl" in lines
    assert "WARNING" not in lines[-1]


def test_files_of_the_user_are_not_to_be_fetched_again():
    """Only where a record that failed has a URL the summary says how to fetch it again."""
    skipped = {"status": "skipped", "error": "too_small", "url": "http://a/"}
    last = {**failed("decode"), "url": "http://a/"}
    for record, told in ((failed("decode"), False), (skipped, False), (last, True)):
        tally = tally_of({"status": "ok"}, record)
        tally.failed_file = "failed.jsonl"

        line = "  to try the failed ones again: imgpipe fetch < that file"
        assert (line in tally.summary("shard", 1.0)) is told


def test_nothing_from_outside_reaches_the_summary_unescaped():
    """An example is a detail that came from the network; a name of a folder may come from there too."""
    tally = tally_of(failed("protocol", "\x1b[2Jgone\n"))
    tally.failed_file = "\x1b[2J/failed.jsonl"
    lines = tally.summary("fetch", 1.0)

    assert "\x1b" not in "".join(lines)
    assert Kind.PROTOCOL in lines[1]


def test_a_failure_of_an_earlier_stage_is_told_as_its_own():
    """The last stage of a pipe sums up for all: what timed out in fetch gets the hint of fetch."""
    tally = tally_of(
        {"stage": "fetch", **failed("timeout")},
        {"stage": "fetch", **failed("timeout")},
        {"stage": "resize", **failed("timeout", "too slow")},
        {"stage": "\x1b[2J", **failed("dns")},
    )

    lines = tally.summary("resize", 1.0)

    assert lines[1] == "  2 timeout in fetch: why"
    assert "(-j)" in lines[2]
    assert lines[3] == "  1 timeout: too slow"
    assert lines[4] == "    --timeout gives a picture more seconds"
    assert lines[5] == "  1 dns: why"
    assert tally.kinds == {"timeout": 3, "dns": 1}


def of_host(host, **fields):
    return {"stage": "fetch", "url": f"http://{host}/a", **failed("timeout"), **fields}


def test_the_hosts_are_named_where_few_make_most():
    """A slow host is told by name; a trouble that all share is nobody's."""
    few = tally_of(*[of_host("Slow.example.")] * 8, *(of_host(f"h{n}.example") for n in range(6)))
    many = tally_of(*(of_host(f"h{n}.example") for n in range(100)))

    assert "    hosts: slow.example (8), h0.example (1), h1.example (1), others (4)" in few.summary(
        "fetch", 1.0
    )
    assert "hosts:" not in "".join(many.summary("fetch", 1.0))


def test_hosts_that_ask_to_wait_are_always_named():
    """To be gentler to them one must know who they are."""
    tally = tally_of(*(of_host(f"h{n}.example", error="throttled") for n in range(9)), {"error": "throttled"})

    assert "    hosts: h0.example (1), h1.example (1), h2.example (1), others (6)" in tally.summary("x", 1.0)


def test_the_statuses_are_told_where_they_differ():
    """404 and 403 are both `http_status`, and not the same; what most of them are decides the hint."""
    answers = [(404, 3), (403, 7), (None, 1), (True, 1)]
    records = [
        of_host("a.example", error="http_status", http_status=status)
        for status, n in answers
        for _ in range(n)
    ]

    lines = tally_of(*records).summary("fetch", 1.0)

    assert lines[2] == "    statuses: 403 (7), 404 (3)"
    assert "--header" in lines[4]
    assert "statuses:" not in "".join(tally_of(records[0]).summary("fetch", 1.0))


def test_dead_domains_are_normal_up_to_a_tenth():
    """Above it the summary says what to do about the resolver, and how many they are; few tell nothing."""
    dead = {"stage": "fetch", **failed("dns")}

    normal = tally_of(*[{"status": "ok"}] * 180, *[dead] * 20).summary("fetch", 1.0)
    few = tally_of(*[{"status": "ok"}] * 30, *[dead] * 10).summary("fetch", 1.0)
    suspicious = tally_of(*[{"status": "ok"}] * 80, *[dead] * 20).summary("fetch", 1.0)

    assert "dead domains are normal" in normal[2]
    assert "dead domains are normal" in few[2]
    assert "20% of the records" in suspicious[2]
    assert "caching" in suspicious[2]


def test_how_many_may_succeed_later_is_told():
    """Whoever decides about another try wants to know what there is to gain."""
    passing = {**failed("dns"), "retryable": True, "url": "http://a/"}
    tally = tally_of(failed("decode"), passing, {"status": "ok"})
    tally.failed_file = "f"

    assert "  to try the failed ones again (1 may succeed later): imgpipe fetch < that file" in tally.summary(
        "x", 1
    )


@given(st.lists(st.sampled_from(["ok", "failed", "skipped"])))
def test_the_share_is_that_of_records_that_no_rule_skipped(statuses):
    """From 0 to 1, and 1 where nothing was tried."""
    tally = tally_of(*({"status": status, "error": "dns"} for status in statuses))

    tried = [status for status in statuses if status != "skipped"]
    assert tally.share == (tried.count("ok") / len(tried) if tried else 1)


@given(
    st.dictionaries(st.sampled_from(["url", "status", "error", "stage", "detail", "http_status"]), st.text())
)
def test_any_record_can_be_counted(record):
    """Whatever an earlier stage says, the summary is safe to show."""
    tally = tally_of({**record, "status": "failed"}, {**record, "status": "failed", "error": "http_status"})

    for line in tally.summary("fetch", 1.0):
        assert line == safe(line)


def test_hosts_that_failed_once_are_not_blamed():
    """Two failures on two hosts are no pattern."""
    tally = tally_of(of_host("a.example"), of_host("b.example"))

    assert "hosts:" not in "".join(tally.summary("fetch", 1.0))


def test_neither_host_nor_status_is_told_where_it_has_no_part_in_it():
    """A picture that cannot be decoded is not the fault of its host, nor of the answer that brought it."""
    answers = (200, 206)
    records = [of_host("a.example", error="decode", stage="resize", http_status=n) for n in answers]

    told = "".join(tally_of(*records).summary("resize", 1.0))

    assert "hosts:" not in told
    assert "statuses:" not in told


def test_half_are_not_most():
    """Where just as many came as failed there is no warning; where none failed, no list of them is named."""
    half = tally_of({"status": "ok"}, failed("dns"))
    assert "WARNING" not in "".join(half.summary("fetch", 1.0))

    good = tally_of({"status": "ok"})
    good.failed_file = "failed.jsonl"
    assert "failed" not in "".join(good.summary("shard", 1.0))


def test_what_came_to_nothing_is_unfinished():
    """Together with what was unfinished before, and nothing else is left of it."""
    tally = tally_of({"status": "ok", "bytes": 5}, failed("dns"))
    tally.unfinished = 3

    tally.void()

    assert (tally.done, tally.unfinished, tally.bytes, tally.causes) == (0, 5, 0, {})
