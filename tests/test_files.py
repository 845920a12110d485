from __future__ import annotations

import errno
import os
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgpipe import files
from imgpipe.errors import OutputError


@given(st.text(st.characters(exclude_categories=[])))
@example("../../etc/passwd")
@example("CON.txt")
@example("a\u200d\u0301")
@example("\u1100\u200b\u1161")
def test_a_stem_is_safe_as_a_file_name(text):
    """No separator, dot, control character or device name; short, stable, and a name that can be made."""
    stem = files.safe_stem(text)

    if stem is None:
        return
    assert stem
    assert not set(stem) & set('/\\:*?"<>|. \t\n\0')
    assert stem[0] not in "-_"
    assert len(stem) <= 121
    assert len(stem.encode()) <= 201
    assert unicodedata.is_normalized("NFC", stem)
    assert stem.lower() not in {"con", "prn", "aux", "nul", "com1", "lpt9"}
    assert stem == files.safe_stem(stem)


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("cat.jpg", "cat_jpg"),
        ("../..", None),
        ("", None),
        ("\x1b\x07", None),
        ("__imgpipe__", "imgpipe"),
        ("-rf", "rf"),
        ("nul", "nul_"),
        ("a  b", "a_b"),
        ("Å", "Å"),
        ("é" * 300, "é" * 100),
    ],
)
def test_stems_by_example(text, stem):
    """What people see of their names."""
    assert stem == files.safe_stem(text)


def test_twins_get_one_name():
    """The same letters in another normal form are the same name."""
    assert files.safe_stem("cafe\u0301") == files.safe_stem("caf\u00e9")


def temporary(folder, content=b"new"):
    path = files.temporary_path(str(folder))
    with open(path, "wb") as file:
        file.write(content)
    return path


def test_a_taken_name_gets_a_suffix(tmp_path):
    """Nothing is overwritten: equal names count on, whatever else is there."""
    (tmp_path / "a-2.jpg").write_bytes(b"mine")
    names = files.Names(remembered=1)

    published = [names.publish(temporary(tmp_path), str(tmp_path), "a", "jpg") for _ in range(3)]
    names.publish(temporary(tmp_path), str(tmp_path), "b", "jpg")
    published.append(names.publish(temporary(tmp_path), str(tmp_path), "a", "jpg"))

    assert [os.path.basename(path) for path in published] == ["a.jpg", "a-3.jpg", "a-4.jpg", "a-5.jpg"]
    assert (tmp_path / "a-2.jpg").read_bytes() == b"mine"
    assert not list(tmp_path.glob(".imgpipe-tmp-*"))


def test_a_link_that_leads_nowhere_is_a_taken_name(tmp_path):
    """A dangling link is not followed."""
    (tmp_path / "a.jpg").symlink_to(tmp_path / "elsewhere")

    path = files.Names().publish(temporary(tmp_path), str(tmp_path), "a", "jpg")

    assert f"{tmp_path}/a-2.jpg" == path
    assert not (tmp_path / "elsewhere").exists()


def test_without_hard_links_names_are_taken_too(tmp_path, monkeypatch):
    """A file system without hard links gets the same promise."""

    def no_links(*_args, **_kwargs):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a.jpg").write_bytes(b"mine")

    path = files.Names().publish(temporary(tmp_path), str(tmp_path), "a", "jpg")

    assert f"{tmp_path}/a-2.jpg" == path
    assert (tmp_path / "a-2.jpg").read_bytes() == b"new"
    assert (tmp_path / "a.jpg").read_bytes() == b"mine"


def test_other_errors_of_a_move_are_raised(tmp_path):
    """A folder that is not there is the caller's to tell."""
    with pytest.raises(FileNotFoundError):
        files.move_new(str(tmp_path / "none"), str(tmp_path / "b"))


def test_a_file_is_replaced_whole_or_left(tmp_path):
    """Through a link too; where the new content cannot be written the old one stays, and nothing besides."""
    target, link = tmp_path / "page.html", tmp_path / "link"
    target.write_bytes(b"old")
    link.symlink_to(target)

    files.replace(str(link), b"new")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"new")

    with pytest.raises(TypeError):
        files.replace(str(target), None)
    assert target.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["link", "page.html"]


def test_make_folder_makes_parents_and_tells_what_hinders(tmp_path):
    """A file in the place of the folder, or of a parent, is one clear error."""
    assert f"{tmp_path}/a/b" == files.make_folder(str(tmp_path / "a" / "b"))
    (tmp_path / "file").write_text("")

    with pytest.raises(OutputError, match="is not a folder"):
        files.make_folder(str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot make the folder"):
        files.make_folder(str(tmp_path / "file" / "below"))


def test_a_folder_without_permission_is_told(tmp_path, monkeypatch):
    """What may not be written is told before the first file."""
    monkeypatch.setattr(os, "access", lambda *_: False)

    with pytest.raises(OutputError, match="permission denied"):
        files.make_folder(str(tmp_path))


def test_unlinking_what_is_gone_is_quiet(tmp_path):
    """A file may be gone already."""
    files.unlink_quietly(str(tmp_path / "none"))
