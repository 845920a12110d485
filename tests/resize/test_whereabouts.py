from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from imgpipe.errors import OutputError
from imgpipe.resize import place as place_module
from imgpipe.resize.place import Place


def put(place, data=b"data", record=None, source="/x/photo.jpg"):
    return place.put(data, "jpg", record or {}, source)


def test_the_spool_is_that_of_the_option(tmp_path):
    """`--spool` wins over the spool that the input's files lie in."""
    folder = tmp_path / "other" / "imgpipe-run-1-aa"
    folder.mkdir(parents=True)
    record = {"path": str(folder / "1.jpg"), "spooled": True}
    place = Place(None, tmp_path / "mine")

    assert Path(put(place, record=record)).parent.parent == tmp_path / "mine"


def test_the_spool_is_that_of_the_first_file(tmp_path):
    """Without the option new files lie in the spool of the first spooled record; only a real one counts."""
    folder = tmp_path / "other" / "imgpipe-run-1-aa"
    folder.mkdir(parents=True)
    record = {"path": str(folder / "1.jpg"), "spooled": True}

    assert Path(put(Place(None, None), record=record)).parent.parent == tmp_path / "other"
    false = {"path": str(tmp_path / "1.jpg"), "spooled": True}
    assert Path(put(Place(None, None), record=false)).parent.parent == tmp_path / "spool"


def test_nobody_reads_nothing_stays(tmp_path):
    """When nobody reads on, the spooled files go; the user's folder keeps its own."""
    spooled, users = Place(None, tmp_path / "spool"), Place(tmp_path / "mine", None)
    paths = [put(spooled), put(users)]

    for place in (spooled, users, Place(None, None)):
        place.remove()
        place.close()

    assert [os.path.exists(path) for path in paths] == [False, True]


@pytest.mark.parametrize("folder", [True, False])
def test_a_full_disk_leaves_no_torn_file(tmp_path, monkeypatch, folder):
    """A file that cannot be written whole is not there at all, and ends the run."""

    def full(descriptor, view):
        os.pwrite(descriptor, bytes(view[:2]), 0)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place = Place(tmp_path / "out" if folder else None, tmp_path / "spool")
    put(place)
    before = sorted(tmp_path.rglob("*.jpg")), sorted(tmp_path.rglob("*tmp*"))
    monkeypatch.setattr(place_module.os, "write", full)

    with pytest.raises(OutputError, match="No space left"):
        put(place)

    assert (sorted(tmp_path.rglob("*.jpg")), sorted(tmp_path.rglob("*tmp*"))) == before


def test_a_folder_that_vanishes_ends_the_run(tmp_path):
    """Where the user's folder is taken away in the middle of a run, the run ends with one line."""
    place = Place(tmp_path / "out", None)
    put(place)
    (tmp_path / "out" / "photo.jpg").unlink()
    (tmp_path / "out").rmdir()

    with pytest.raises(OutputError, match="No such file"):
        put(place)


def test_threads_share_names(tmp_path):
    """Equal names from many threads at once become different files."""
    place = Place(tmp_path / "out", None)
    found = []
    threads = [threading.Thread(target=lambda: found.extend(put(place) for _ in range(25))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(found)) == len(os.listdir(tmp_path / "out")) == 100


def test_a_name_without_a_stem_is_image(tmp_path):
    """A source whose name leaves nothing safe is called `image`."""
    assert put(Place(tmp_path, None), source="/x/...").endswith("/image.jpg")
