"""New files in folders of the user: safe names, complete or absent, nothing overwritten."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import unicodedata
from collections import OrderedDict
from typing import Final

from imgpipe.errors import OutputError

STEM_LENGTH: Final = 120
"""Characters of a name without its extension: in UTF-8 at most 3 bytes each here, so that with suffix
and extension it stays below the 255 bytes that file systems take."""

TEMPORARY_PREFIX: Final = ".imgpipe-tmp-"

NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS})
"""Errors of file systems that have no hard links, or no more of them."""

_SEPARATORS: Final = re.compile(r"[\s/\\:*?\"<>|.]+")
# Device names that Windows takes for itself, with any extension.
_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])")


def safe_stem(text: str) -> str | None:
    """A file name, without extension, made from text that came from outside; None where nothing is left.

    No separators, dots, control characters or reserved device names; NFC, so that twins in other
    normal forms are seen as equal; at most `STEM_LENGTH` characters and 200 bytes.
    """
    text = _SEPARATORS.sub("_", text)
    # The normal form comes last: an invisible character between two letters hides that they are twins.
    kept = unicodedata.normalize("NFC", "".join(c for c in text if unicodedata.category(c)[0] not in "CZ"))
    stem = kept.encode("utf-8", "ignore")[:200].decode("utf-8", "ignore")[:STEM_LENGTH].strip("_- ")
    if _RESERVED.fullmatch(stem):
        stem += "_"
    return stem or None


def temporary_path(folder: str) -> str:
    """An unused path in `folder` under which a file is written before it gets its name."""
    return f"{folder}/{TEMPORARY_PREFIX}{os.getpid()}-{os.urandom(6).hex()}"


class Names:
    """Gives files their names in folders of the user; a name that is taken gets `-2`, `-3`, …

    It remembers the last suffix of the commonest names, so that a thousand equal ones do not try each
    suffix anew.
    """

    def __init__(self, remembered: int = 10_000) -> None:
        self._next: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._remembered = remembered

    def publish(self, temporary: str, folder: str, stem: str, extension: str) -> str:
        """Give the complete file `temporary` its name in `folder`, and return its path.

        Args:
            temporary: A file on the same file system; it is no more afterwards.
            folder: Absolute path.
            stem: Safe already (see `safe_stem`).
            extension: Without the dot.

        Raises:
            OSError: The folder cannot be written.
        """
        key = (folder, stem)
        for number in itertools.count(self._next.get(key, 1)):
            name = stem if number == 1 else f"{stem}-{number}"
            path = f"{folder}/{name}.{extension}"
            try:
                move_new(temporary, path)
            except FileExistsError:
                continue
            self._next[key] = number + 1
            self._next.move_to_end(key)
            if len(self._next) > self._remembered:
                self._next.popitem(last=False)
            return path
        raise AssertionError("the numbers do not end")


def move_new(source: str, target: str) -> None:
    """Rename `source` to `target` unless that exists.

    Raises:
        FileExistsError: `target` exists, be it a link that leads nowhere.
        OSError: Anything else, such as another file system (`EXDEV`).
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # A file system without hard links: take the name first, then rename over our own empty file.
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC))
        os.rename(source, target)
    else:
        os.unlink(source)


def replace(target: str, data: bytes) -> None:
    """Write a file whole; one that was there before stays until then, and where that fails.

    Args:
        target: Its path; where that is a link, the file that it leads to is written.
        data: What it holds.

    Raises:
        OSError: It cannot be written.
    """
    target = os.path.realpath(target)
    temporary = temporary_path(os.path.dirname(target))
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        os.replace(temporary, target)
    except BaseException:
        unlink_quietly(temporary)
        raise


def make_folder(folder: str) -> str:
    """Make a folder of the user, with its parents, and return its absolute path.

    Raises:
        OutputError: It cannot be made or is not a folder.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder} is not a folder") from None
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to the folder {folder}: permission denied")
    return os.path.abspath(folder)


def unlink_quietly(path: str) -> None:
    """Unlink a file that may be gone already."""
    with contextlib.suppress(OSError):
        os.unlink(path)


def sync_file_system(descriptor: int) -> None:
    """Wait until the whole file system of an open file is on the disk: syncfs(2), for which Python has
    no name.

    Raises:
        OSError: The disk failed.
    """
    import ctypes  # noqa: PLC0415 - 4 ms that few commands need

    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
    elif library.syncfs(descriptor):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
