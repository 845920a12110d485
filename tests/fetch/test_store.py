"""Where downloaded bytes go."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from helpers import picture
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.errors import Kind, OutputError, RecordError
from imgpipe.fetch.store import Sink, Store
from imgpipe.spool import Spool

JPEG = picture()


@pytest.fixture
def store(spool):
    run = Spool(spool)
    yield Store(run, None)
    run.close()


def files_in(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def put(store, pieces, *, record=None, digests=(), most=1 << 20):
    with Sink(store, most, frozenset(digests)) as sink:
        for piece in pieces:
            sink.write(piece)
        return sink, sink.finish(record or {"url": "u"})


@pytest.mark.parametrize("size", [1, 7, 31, 32, 33, 4096])
def test_bytes_arrive_whole_in_any_pieces(store, size):
    """With their digests, size and true type."""
    pieces = [JPEG[at : at + size] for at in range(0, len(JPEG), size)]

    sink, path = put(store, pieces, digests=("sha256", "md5"))

    assert Path(path).read_bytes() == JPEG
    assert path.endswith(".jpg")
    assert (len(JPEG), "image/jpeg") == (sink.size, sink.media_type)
    assert hashlib.sha256(JPEG).hexdigest() == sink.digest("sha256")
    assert hashlib.md5(JPEG).hexdigest() == sink.digest("md5")


def test_a_picture_shorter_than_its_sniffing_is_one(store):
    """The first bytes of a type may be all there are."""
    _, path = put(store, [b"GIF89a", b"\x01"])

    assert Path(path).read_bytes() == b"GIF89a\x01"


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([], Kind.EMPTY),
        ([b""], Kind.EMPTY),
        ([b"<html>"], Kind.NOT_IMAGE),
        ([b"<html>" * 20], Kind.NOT_IMAGE),
        ([JPEG, bytes(1 << 20)], Kind.TOO_LARGE),
        ([bytes(1 << 20), b"x"], Kind.NOT_IMAGE),
    ],
)
def test_what_is_refused_leaves_nothing(store, spool, pieces, kind):
    """No file, whatever was written before."""
    with pytest.raises(RecordError) as caught:
        put(store, pieces)

    assert kind is caught.value.kind
    assert files_in(spool) == []


def test_a_sink_that_is_left_early_leaves_nothing(store, spool):
    """Whatever ends it."""
    with pytest.raises(ZeroDivisionError), Sink(store, 1 << 20, frozenset()) as sink:
        sink.write(JPEG)
        assert len(files_in(spool)) == 1
        raise ZeroDivisionError

    assert files_in(spool) == []


def test_a_folder_that_goes_away_ends_the_run(tmp_path, spool):
    """No later file would fare better."""
    gone = Store(Spool(spool), str(tmp_path / "gone"))
    with pytest.raises(OutputError, match="gone"):
        put(gone, [JPEG])


def test_a_folder_that_goes_away_at_the_last_moment(tmp_path, spool):
    """The complete file cannot get its name."""
    folder = tmp_path / "d"
    folder.mkdir()
    with pytest.raises(OutputError), Sink(Store(Spool(spool), str(folder)), 1 << 20, frozenset()) as sink:
        sink.write(JPEG)
        os.rename(folder, tmp_path / "e")
        sink.finish({"url": "u"})


def test_a_full_disk_ends_the_run(spool):
    """A file that cannot grow is the disk's fault, not the record's."""

    class Full(Store):
        def create(self, media_type):
            return os.open("/dev/full", os.O_WRONLY), str(spool / "x")

    with pytest.raises(OutputError, match="No space left"):
        put(Full(Spool(spool), None), [JPEG])


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.integers()), st.booleans()), st.text())
def test_any_key_makes_a_name_in_the_folder(tmp_path_factory, key, url):
    """Nothing that a record says leads out of the folder or fails the run."""
    folder = tmp_path_factory.mktemp("d")
    store = Store(Spool(folder / "spool"), str(folder))

    _, path = put(store, [JPEG], record={"url": url, "key": key})

    assert str(folder) == os.path.dirname(path)
    assert Path(path).read_bytes() == JPEG
    assert len(os.listdir(folder)) == 1
