"""The bytes of sampled images, from the folder, tar, or parquet file that holds them. Only reads."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from imgpipe.report.places import Found, Holder

MOST_BYTES: Final = 64 << 20
"""Of an image that is looked at; a larger one is named only."""

_BLOCK: Final = 512
"""Bytes of a header of tar, and what sizes are rounded up to (POSIX pax, ustar interchange format)."""


class Unseen(Exception):  # noqa: N818 - nothing failed, a picture is not shown
    """An image cannot be shown; says why in a few words."""


Content = bytes | Unseen


def contents(sample: Sequence[Found]) -> Iterator[tuple[Found, Content]]:
    """Each image of the sample with its bytes, or why it cannot be shown.

    Args:
        sample: Those of one holder are beside one another.
    """
    for place, group in groupby(sample, key=lambda found: found.place):
        wanted = list(group)
        if place.holder is Holder.TAR:
            yield from _guarded(wanted, _of_tar(place.path, wanted))
        elif place.holder is Holder.PARQUET:
            yield from _guarded(wanted, _of_parquet(place.path, wanted))
        else:
            yield from ((found, _of_file(found)) for found in wanted)


def _guarded(wanted: list[Found], images: Iterator[tuple[Found, Content]]) -> Iterator[tuple[Found, Content]]:
    """The images of a shard, and a reason for each that is not found in it."""
    left = {id(found): found for found in wanted}
    why = "it is not in its shard"
    try:
        for found, content in images:
            left.pop(id(found), None)
            yield found, content
    except Unseen as reason:
        why = str(reason)
    except Exception as error:  # noqa: BLE001 - what a broken shard makes of a reader is many an exception
        why = f"its shard cannot be read ({type(error).__name__})"
    for found in left.values():
        yield found, Unseen(why)


def _of_file(found: Found) -> Content:
    try:
        return _read(_path_of(found))
    except Unseen as reason:
        return reason
    except (OSError, ValueError):
        return Unseen("its file is not there")


def _path_of(found: Found) -> str:
    if found.place.holder is Holder.PATH:
        path = found.row.get("path")
        if isinstance(path, str) and path:
            return path
        raise Unseen("the record names no file")
    name = found.row.get("file_name")
    if found.place.holder is not Holder.FOLDER or not isinstance(name, str):
        raise Unseen("it is not on this machine")
    # A name that leads out of the folder is none of ours, and is not followed.
    folder = os.path.realpath(found.place.path)
    path = os.path.realpath(f"{folder}/{name}")
    if not path.startswith(folder.rstrip("/") + "/"):
        raise Unseen("its name leads out of the folder")
    return path


def _read(path: str) -> bytes:
    # A pipe or a device in place of the file must not hold us.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise Unseen("it is no regular file")
        if state.st_size > MOST_BYTES:
            raise Unseen("its file is too large to look at")
        return file.read(MOST_BYTES)


def _of_tar(path: str, wanted: list[Found]) -> Iterator[tuple[Found, Content]]:
    """As imgpipe writes them: plain headers, so that the names alone are read, and the images wanted."""
    by_name = {found.name: found for found in wanted}
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        end, offset = os.fstat(descriptor).st_size, 0
        while by_name and offset + _BLOCK <= end:
            header = os.pread(descriptor, _BLOCK, offset)
            name = header[:100].rstrip(b"\0").decode("utf-8", "replace")
            if not name:
                return
            size = int(header[124:136].strip(b"\0 ") or b"0", 8)
            if size < 0:
                return
            found = by_name.pop(name, None)
            if found is not None:
                too_large = size > MOST_BYTES
                content = b"" if too_large else os.pread(descriptor, size, offset + _BLOCK)
                yield found, Unseen("its file is too large to look at") if too_large else content
            offset += _BLOCK + -(-size // _BLOCK) * _BLOCK
    finally:
        os.close(descriptor)


def _of_parquet(path: str, wanted: list[Found]) -> Iterator[tuple[Found, Content]]:
    try:
        from imgpipe.report.parquet import images  # noqa: PLC0415 - loads pyarrow, an extra
    except ImportError:
        raise Unseen("reading Parquet needs more: pip install 'imgpipe[parquet]'") from None

    by_name = {found.name: found for found in wanted}
    for name, content in images(path, by_name.keys()):
        if content is not None:
            yield by_name[name], content
