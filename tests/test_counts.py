from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from imgpipe.counts import Digest, identity

RECORDS = st.lists(
    st.fixed_dictionaries({"url": st.text(max_size=8)}, optional={"key": st.text(max_size=3) | st.none()}),
    max_size=8,
)


def digest(records) -> dict:
    found = Digest()
    for record in records:
        found.add(record)
    return found.as_json()


@given(RECORDS, st.randoms())
def test_the_digest_knows_no_order(records, random):
    """The same records in any order have one digest."""
    mixed = random.sample(records, len(records))
    assert digest(records) == digest(mixed)


@given(RECORDS, RECORDS)
def test_other_records_have_another_digest(one, other):
    """Records of other URLs or keys, or another number of them, are told apart."""

    def known(records):
        pairs = [(r["url"], r.get("key") or "") for r in records]
        return len(records), sorted(pair for pair in pairs if pair[0])

    assert (digest(one) == digest(other)) is (known(one) == known(other))


@given(RECORDS, RECORDS)
def test_two_digests_make_one(one, other):
    """The sum of two digests is that of all their records."""
    first, second = Digest(), Digest()
    for record in one:
        first.add(record)
    for record in other:
        second.add(record)
    assert (first + second).as_json() == digest(one + other)


def test_records_without_a_url_are_counted_alone():
    """A line without a URL, or with an empty one, has no identity, whatever its key; a digest has 64 digits."""
    for record in ({}, {"url": ""}, {"url": None, "key": "k"}, {"url": "", "key": "k"}):
        assert digest([record]) == {"records": 1, "digest": "0" * 64}


def test_the_digest_is_the_same_in_every_process():
    """It is no hash of Python, which has another key in each process."""
    script = (
        "from imgpipe.counts import Digest; d = Digest(); d.add({'url': 'http://h/ä'}); print(d.hexdigest())"
    )
    seen = {
        subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True).stdout
        for _ in range(2)
    }
    assert seen == {digest([{"url": "http://h/ä"}])["digest"] + "\n"}


def test_any_value_that_a_record_can_have_is_told_apart():
    """Numbers beyond 64 bits, lone surrogates and lists are keys as well as texts are."""
    keys = [10**30, 10**30 + 1, [10**30], "\ud800", ["\ud800"], 1.5, True, {"a": 10**30}]
    records = [{"url": "http://h/", "key": key} for key in keys]
    assert len({identity(record) for record in records}) == len(keys)
    assert len({digest([record])["digest"] for record in records}) == len(keys)
