from __future__ import annotations

import re

import pytest
from helpers import run_filter

from imgpipe.errors import STAGE_KINDS, Kind
from imgpipe.hints import hint

EVERY = [(stage, kind) for stage in STAGE_KINDS for kind in sorted(STAGE_KINDS[stage])]


@pytest.mark.parametrize("stage", STAGE_KINDS)
def test_a_hint_names_options_that_are_there(stage):
    """Each option of a hint is one of the stage that failed the record, or of the command that it names."""
    for kind in sorted(STAGE_KINDS[stage]):
        for status in (None, 403, 404, 429, 503):
            text = hint(kind, stage, count=50, total=100, http_status=status) or ""
            named = re.findall(r"imgpipe (\w+)", text)
            known = "".join(run_help(name) for name in [stage, *named])
            for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", text):
                assert option in known, f"{kind} of {stage}: {option}"


HELP = {}


def run_help(name):
    if name not in HELP:
        HELP[name] = run_filter(name, "--help").out.decode()
    return HELP[name]


@pytest.mark.parametrize(("stage", "kind"), EVERY)
def test_a_hint_is_a_line(stage, kind):
    """One line, and none that tells a stage to be itself."""
    text = hint(kind, stage, count=1, total=100) or ""

    assert "\n" not in text
    assert f"imgpipe {stage}" not in text.replace(
        "imgpipe shard", "" if stage == "verify" else "imgpipe shard"
    )


def test_one_kind_has_a_hint_for_each_stage():
    """`--timeout` of a request is not that of a picture."""
    assert hint("timeout", "fetch") != hint("timeout", "resize")
    assert hint("bad_line", "read") != hint("bad_line", "fetch")
    assert hint("timeout") == hint("timeout", "fetch") == hint("timeout", "no such stage")
    assert hint("bad_key") == hint("bad_key", "shard")


@pytest.mark.parametrize("kind", ["other", "", "\x1b", Kind.EMPTY.value])
def test_where_nothing_helps_there_is_no_hint(kind):
    """An invented kind is no error."""
    assert hint(kind, "fetch") is None


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (404, "gone"),
        (410, "gone"),
        (401, "--header"),
        (403, "--header"),
        (429, "--delay"),
        (503, "later"),
        (418, None),
        (None, None),
    ],
)
def test_a_status_has_its_own_hint(status, word):
    """What is gone is not what is refused."""
    text = hint("http_status", "fetch", http_status=status)

    assert (text is None) if word is None else (word in text)
