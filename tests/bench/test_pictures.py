from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgpipe.bench import pictures


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("name", pictures.NAMES)
def test_the_embedded_photographs_are_small_and_whole(name):
    """Each is a JPEG of at most 512 pixels and 40 kB, and its source and licence are written down."""
    data = pictures.picture(name)
    assert len(data) <= 40_000
    assert max(opened(data).size) <= 512
    credit = next(line for line in (pictures.FOLDER / "CREDITS.md").read_text().splitlines() if name in line)
    assert credit.endswith(("| CC0 |", "| public domain |"))


def test_every_file_is_named_and_no_other():
    """The folder holds the named photographs only."""
    assert {path.stem for path in pictures.FOLDER.glob("*.jpg")} == set(pictures.NAMES)
    with pytest.raises(KeyError):
        pictures.picture("../pictures/coffee")


def test_photographs_without_end_differ_and_stay_the_same():
    """A hundred numbers give a hundred pictures of a usual size, each the same whenever it is made."""
    made = [pictures.photo(number) for number in range(100)]
    assert len(set(made)) == 100
    pictures.photo.cache_clear()
    assert pictures.photo(7) == made[7]
    for data in made[:20]:
        assert 640 <= max(opened(data).size) <= 1280
        assert 20_000 <= len(data) <= 500_000


@settings(max_examples=60, deadline=None)
@given(st.integers(pictures.LEAST_SIZE, 300_000), st.integers(0, 20))
def test_a_file_of_any_size_is_a_whole_photograph(size, number):
    """A size that is asked for is met to the byte, by a file that decodes."""
    data = pictures.sized(size, number)
    assert len(data) == size
    opened(data)


@pytest.mark.parametrize("number", range(9))
def test_sizes_close_to_a_photographs_own_are_met(number):
    """A few bytes too many for the last comment, or for none, are met too."""
    own = len(pictures.picture(pictures.NAMES[number]))
    for more in (0, 0xFFFF + 2, 2 * (0xFFFF + 2)):
        for size in range(own + more - 3, own + more + 6):
            data = pictures.sized(size, number)
            assert len(data) == size
            opened(data)


@pytest.mark.parametrize("size", [0, -1, pictures.LEAST_SIZE - 1, pictures.MOST_SIZE + 1])
def test_sizes_out_of_reach_are_refused(size):
    """A file too small for a photograph or too large for the memory is not made."""
    with pytest.raises(ValueError, match="is not made"):
        pictures.sized(size)
