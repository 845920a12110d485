from __future__ import annotations

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from imgpipe.commonest import Commonest

SIZE = 3


@given(st.lists(st.sampled_from("abcdefgh")))
@example(list("aabbcc" + "d" * 8))  # the late one must push the early ones out
def test_counts_are_never_too_high_and_not_much_too_low(texts):
    """With a few counters for any number of texts, what is said of one holds."""
    found = Commonest(SIZE)
    for text in texts:
        found.add(text)

    exact = Counter(texts)
    kept = dict(found.top(SIZE))
    assert found.total == len(texts)
    assert len(kept) <= SIZE
    for text, count in exact.items():
        assert count - len(texts) / (SIZE + 1) <= kept.get(text, 0) <= count


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

    (text, count), *others = found.top(8)
    assert text == "common"
    assert 12_500 - 50_000 / 9 <= count <= 12_500
    assert len(others) <= 7
    assert all(len(other) <= Commonest.LONGEST for other, _ in others)
