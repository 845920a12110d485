from __future__ import annotations

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from imgpipe.commonest import Commonest

SIZE = 3


@given(st.lists(st.integers(0, 40).map(str)), st.integers(1, 12))
@example(list("aabbcc" + "d" * 8), 3)  # the late one must push the early ones out
@example([*"aabbccddee", *(letter for n in range(6, 20) for letter in ("f", str(n)))], 2)
def test_a_count_is_never_too_high_and_told_how_much_too_low(texts, size):
    """With a few counters for any number of texts, what is said of one holds."""
    found = Commonest(size)
    for text in texts:
        found.add(text)

    true = Counter(texts)
    told = dict(found.top(len(texts)))
    assert found.total == len(texts)
    assert len(told) <= 2 * size
    assert found.top(len(texts)) == sorted(told.items(), key=lambda pair: (-pair[1], pair[0]))
    for text, count in true.items():
        assert told.get(text, 0) == found.count(text) <= count <= found.count(text) + found.missed(text)
        assert found.missed(text) <= len(texts) / size
    if found.is_exact:
        assert told == true
        assert found.different == len(true)
    assert found.different <= len(true)


def test_one_that_begins_late_is_found_though_many_rare_ones_come_with_it():
    """A host that begins to refuse at noon makes a twentieth of all failures, and is told."""
    found = Commonest(50)
    for n in range(250):
        found.add(f"early{n % 50}")
    for n in range(20_000):
        found.add("late" if n % 20 == 0 else f"dead{n}")

    assert found.top(1)[0][0] == "late"
    assert 1000 - found.total / 50 <= found.count("late") <= 1000


@given(st.lists(st.sampled_from("abcdefgh")))
def test_few_that_make_most_truly_do(texts):
    """Nothing is blamed for what others did; and with room for all, nothing is missed."""
    for size in (SIZE, 10):
        found = Commonest(size)
        for text in texts:
            found.add(text)

        blamed = found.few_make_most(2)
        exact = Counter(texts)
        if blamed:
            assert sum(exact[text] for text, _ in blamed) * 2 > len(texts)
        elif size == 10:
            assert sum(count for _, count in exact.most_common(2)) * 2 <= len(texts)


def test_a_million_texts_take_no_more_memory_than_a_few():
    """Each is cut, and only so many are kept; the common one is found among them."""
    found = Commonest(8)
    for n in range(50_000):
        found.add("common" if n % 4 == 0 else f"{n}" * 100)

    (text, count), *others = found.top(16)
    assert text == "common"
    assert 12_500 - 50_000 / 8 <= count <= 12_500
    assert len(others) <= 15
    assert all(len(other) <= Commonest.LONGEST for other, _ in others)
