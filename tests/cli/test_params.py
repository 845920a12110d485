from __future__ import annotations

import click
import pytest
from helpers import assert_one_clear_line, run_filter
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.cli.params import BYTES, COUNT, SECONDS, SECONDS_OR_ZERO, SECONDS_RANGE, SHARE

TYPES = [BYTES, COUNT, SECONDS, SECONDS_OR_ZERO, SECONDS_RANGE, SHARE]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (BYTES, "65536", 65_536),
        (BYTES, "64k", 65_536),
        (BYTES, "20M", 20 << 20),
        (BYTES, "1.5GiB", 3 << 29),
        (BYTES, "2TB", 2 << 40),
        (BYTES, 7, 7),
        (COUNT, "5000", 5000),
        (COUNT, "64k", 64_000),
        (COUNT, "64M", 64_000_000),
        (COUNT, 7, 7),
        (SECONDS, "0.5", 0.5),
        (SECONDS, 30.0, 30.0),
        (SECONDS_OR_ZERO, "0", 0.0),
        (SECONDS_RANGE, "2", (2.0, 2.0)),
        (SECONDS_RANGE, "1-4", (1.0, 4.0)),
        (SECONDS_RANGE, "0.5-0.5", (0.5, 0.5)),
        (SECONDS_RANGE, (1.0, 2.0), (1.0, 2.0)),
    ],
)
def test_text_becomes_values(kind, text, value):
    """What people write has one meaning."""
    assert value == kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (BYTES, "0"),
        (BYTES, "-1"),
        (BYTES, "20 parsecs"),
        (BYTES, ""),
        (BYTES, "9" * 400),
        (BYTES, "99999999T"),
        (COUNT, "0.1"),
        (COUNT, "9" * 400),
        (SECONDS, "0"),
        (SECONDS, "-1"),
        (SECONDS, "nan"),
        (SECONDS, "inf"),
        (SECONDS, "1e300"),
        (SECONDS_OR_ZERO, "-0.1"),
        (SECONDS_RANGE, "4-1"),
        (SECONDS_RANGE, "1-"),
        (SECONDS_RANGE, "9" * 400),
        (SECONDS_RANGE, "1-" + "9" * 400),
    ],
)
def test_nonsense_is_refused(kind, text):
    """What has no meaning, or none that a machine could keep, is told with an example of what has."""
    with pytest.raises(click.BadParameter, match=r"write|no number of seconds"):
        kind.convert(text, None, None)


@given(st.sampled_from(TYPES), st.text(alphabet="0123456789.-kKmMgGtTib e+٣") | st.text())
def test_any_text_is_a_value_or_a_bad_parameter(kind, text):
    """No text of a command line is a traceback."""
    try:
        value = kind.convert(text, None, None)
    except click.BadParameter:
        return
    smallest = value[0] if isinstance(value, tuple) else value
    assert smallest >= 0


@pytest.mark.parametrize(
    ("text", "share"),
    [("0", 0.0), ("1", 1.0), ("0.95", 0.95), (".5", 0.5), ("95%", 0.95), (" 99.9% ", 0.999), ("100%", 1.0)],
)
def test_a_share_is_written_in_two_ways(text, share):
    """A number up to 1, or a percentage, which is exactly the same number."""
    assert share == SHARE.convert(text, None, None)


@pytest.mark.parametrize("text", ["", "95", "1.01", "101%", "-1", "nan", "1e-2", "%", "0.5.1", "½"])
def test_what_is_no_share_is_told(text):
    """A percentage without its sign is no share: 95 for 0.95 would fail every run."""
    with pytest.raises(click.BadParameter, match="95%"):
        SHARE.convert(text, None, None)


@pytest.mark.parametrize(
    "command",
    [
        ["shard", ""],
        ["shard", "out", "--part", "a", "--input", ""],
        ["shard", "out", "--failed", ""],
        ["fetch", "-d", ""],
        ["fetch", "--spool", ""],
        ["fetch", "--resume", ""],
        ["resize", "-d", ""],
        ["resize", "--log", ""],
        ["read", "--parts", "2", "--into", ""],
        ["verify", ""],
        ["report", ""],
        ["spark", "", "out"],
        ["demo", ""],
        ["clean", "--spool", ""],
    ],
    ids=" ".join,
)
def test_an_empty_name_is_a_wrong_command_line(command, tmp_path):
    """As a variable that is not set gives it: neither the current folder nor a full disk."""
    assert_one_clear_line(run_filter(*command, cwd=tmp_path), 2, "empty")
    assert not list(tmp_path.iterdir())
