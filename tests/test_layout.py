from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import UsageError
from imgpipe.layout import DONE, FAILED, FAILED_NOW, LOCK, NOTE, Layout, check_part, parts

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(
    lambda name: not name.endswith((".tar", ".parquet")) and name != "metadata.jsonl"
)


@given(st.lists(NAMES, unique=True, max_size=6), st.integers(0, 10**7), st.sampled_from(["tar", "parquet"]))
def test_parts_are_told_apart_by_their_names(names, number, suffix):
    """Each part finds its own shards and sidecars among those of all others, and so does a whole data set."""
    layouts = [Layout(), *map(Layout, names)]
    shards = [f"{layout.stem(number)}.{suffix}" for layout in layouts]
    sidecars = [layout.sidecar(number) for layout in layouts]
    for layout, shard, sidecar in zip(layouts, shards, sidecars, strict=True):
        assert layout.shards([*shards, *sidecars, "README", "metadata.jsonl"]) == {number: shard}
        assert layout.sidecars([*shards, *sidecars, FAILED]) == {number: sidecar}
    assert parts(sidecars) == sorted(names)


@given(st.lists(NAMES, unique=True, max_size=6))
def test_the_lists_of_parts_tell_of_them(names):
    """Whatever a part has in the hidden folder names it; what belongs to the whole names none."""
    for kind in (LOCK, FAILED, FAILED_NOW, NOTE, DONE):
        found = [Layout(name).hidden(kind) for name in names]
        assert len({*found, kind}) == len(names) + 1
        assert parts([*found, kind, "dataset.json"]) == sorted(names)


@given(NAMES)
def test_a_name_that_can_be_one_is_taken(name):
    """What the pattern allows is allowed."""
    assert check_part(name) == name


@pytest.mark.parametrize(
    "name", ["", "../x", ".x", "a\n", "a/b", "~", "é", "metadata.jsonl", "00000.tar", "x.parquet"]
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    """A part's name is used in names of files, and its folder stands among those of the data."""
    with pytest.raises(UsageError):
        check_part(name)


@pytest.mark.parametrize(
    "name", ["a b-00000.jsonl", ".hidden.lock", "~-00000.jsonl", "ä.done.json", "notes.txt"]
)
def test_what_cannot_be_a_part_tells_of_none(name):
    """What somebody else put into the hidden folder is no part."""
    assert parts([name]) == []
