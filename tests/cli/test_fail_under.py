from __future__ import annotations

import json

import pytest
from helpers import run_filter, shell


def record(status):
    return {
        "url": "http://x",
        "status": status,
        "stage": "fetch",
        "error": "dns",
        "detail": "",
        "retryable": True,
    }


def read(tmp_path, ok, failed, *args):
    """`imgpipe read`, which fails a row without a URL."""
    rows = "".join(f"http://x/{n}\n" for n in range(ok)) + '""\n' * failed
    (tmp_path / "list.csv").write_text("url\n" + rows)
    return run_filter("read", *args, "list.csv", cwd=tmp_path)


@pytest.mark.parametrize(
    ("ok", "failed", "ratio", "code"),
    [
        (19, 1, "0.95", 0),
        (19, 1, "95%", 0),
        (19, 1, "0.951", 3),
        (19, 1, "96%", 3),
        (999, 1, "99.9%", 0),
        (0, 1, "0", 0),
        (0, 1, "0.001", 3),
        (1, 0, "1", 0),
        (0, 0, "1", 0),
    ],
)
def test_exit_3_where_a_smaller_share_is_ok(tmp_path, ok, failed, ratio, code):
    """A share that is just reached is enough, and an empty input is no failure; one line tells, also with -q."""
    result = read(tmp_path, ok, failed, "-q", "--fail-under", ratio)

    assert code == result.code
    assert len(result.records) == ok + failed
    lines = result.err.splitlines()
    assert len(lines) == (1 if code else 0), result.err
    if code:
        assert f"read: {ok} of {ok + failed} records are ok" in lines[0]
        assert "--fail-under" in lines[0]


def test_what_a_rule_skipped_is_left_aside():
    """A data set that needs no more of an image is no failure; one that failed is."""
    skipped, failed = [record("skipped")] * 9, [record("failed")]

    assert run_filter("resize", "--fail-under", "1", lines=skipped).code == 0
    assert run_filter("resize", "--fail-under", "0.5", lines=skipped + failed).code == 3


def test_the_last_stage_judges_for_the_whole_pipe(tmp_path):
    """A failure of the first stage counts in the last one."""
    result = shell(
        "echo http://127.0.0.1:1/ | imgpipe fetch -q | imgpipe shard -q --fail-under 50% out", cwd=tmp_path
    )

    assert result.code == 3
    assert result.err == "imgpipe: shard: 0 of 1 records are ok (0.0%), less than --fail-under 50%\n"


def test_with_fail_one_failure_suffices(tmp_path):
    """Both may be given: the stricter one decides."""
    assert read(tmp_path, 9, 1, "--fail-under", "0.5", "--fail").code == 3
    assert read(tmp_path, 9, 1, "--fail-under", "0.5").code == 0


def test_a_worse_end_has_its_own_code():
    """A full disk is 4, whatever share was ok."""
    result = shell("echo bad | imgpipe fetch -q --fail-under 1 >/dev/full")

    assert result.code == 4


@pytest.mark.parametrize("ratio", ["95", "-0.1", "most", "1.5"])
def test_a_wrong_share_is_one_line(ratio):
    """It says how a share is written."""
    result = run_filter("fetch", "--fail-under", ratio)

    assert result.code == 2
    assert "write 0.95 or 95%" in result.err


def test_a_share_that_is_too_small_never_looks_like_the_limit():
    """Just below the limit, it is rounded down."""
    lines = [json.dumps({"url": "http://h/" if number > 500 else ""}) for number in range(10_000)]
    result = run_filter("read", "-q", "--fail-under", "95%", lines=lines)
    assert result.code == 3
    assert "9499 of 10000 records are ok (94.9%), less than --fail-under 95%" in result.err
