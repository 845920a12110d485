"""A data set at an address such as `s3://bucket/set`, through fsspec, which is loaded when one is given."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from imgpipe.errors import OutputError, UsageError, safe

_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)(.*)", re.DOTALL)


def address_of(out: Path | str) -> str | None:
    """OUT as an address; None where it is a folder of this machine. A `Path` has lost one slash."""
    found = _ADDRESS.fullmatch(str(out))
    if found is None or not (found[2] or isinstance(out, Path)):
        return None
    return f"{found[1]}://{found[3]}"


class Remote:
    """The objects below an address.

    Args:
        address: Such as `s3://bucket/set`.

    Raises:
        UsageError: fsspec, or what it needs for this kind of address, is not installed or refuses it.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            from fsspec.core import url_to_fs  # noqa: PLC0415 - an extra, and heavy

            found: Any = url_to_fs(self.address)
        except ImportError as error:
            raise UsageError(
                f"{address} needs more than is installed: pip install 'imgpipe[cloud]' ({safe(str(error))})"
            ) from None
        except Exception as error:
            raise UsageError(f"cannot use {address}: {safe(str(error))}") from error
        self._files, self._root = found

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def names(self, folder: str = "") -> list[str]:
        """What is directly below the address, or a folder there; nothing where there is none.

        Raises:
            UsageError: It cannot be listed.
        """
        try:
            self._files.invalidate_cache()
            found = self._files.ls(self._path(folder), detail=False)
        except FileNotFoundError:
            return []
        except Exception as error:
            raise UsageError(f"cannot list {self.address}: {safe(str(error))}") from error
        return [str(path).rstrip("/").rpartition("/")[2] for path in found]

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """An object, to be read.

        Raises:
            FileNotFoundError: There is none.
            UsageError: It cannot be read.
        """
        try:
            # What was listed may have been replaced since, by another process.
            self._files.invalidate_cache()
            with self._files.open(self._path(name), "rb") as file:
                yield file
        except FileNotFoundError:
            raise
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"cannot read {self.address}/{name}: {safe(str(error))}") from error

    def put(self, local: str, name: str, *, new: bool = False) -> None:
        """Make an object of a file; it is there as a whole or not at all.

        Args:
            local: The file.
            name: Of the object, below the address.
            new: Whether to refuse a name that is taken; of two at once, one wins where the store knows
                conditional writes, as S3 does.

        Raises:
            FileExistsError: The name is taken, and `new` was asked for.
            OutputError: It cannot be written.
        """
        try:
            self._files.put_file(local, self._path(name), mode="create" if new else "overwrite")
        except FileExistsError:
            raise
        except Exception as error:
            raise OutputError(f"cannot write to {self.address}/{name}: {safe(str(error))}") from error

    def remove(self, name: str) -> None:
        """Remove an object.

        Raises:
            OutputError: It cannot be removed.
        """
        try:
            self._files.rm_file(self._path(name))
        except Exception as error:
            raise OutputError(f"cannot remove {self.address}/{name}: {safe(str(error))}") from error
