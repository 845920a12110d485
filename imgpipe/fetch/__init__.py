"""Fetching: records with a URL in, records with a file out."""

from __future__ import annotations

import contextlib
import importlib
import resource
from typing import TYPE_CHECKING, Final

from imgpipe.fetch.options import FetchOptions, Mode

if TYPE_CHECKING:
    from imgpipe.stream import Emit, Source
    from imgpipe.tally import Tally

FILES: Final = 16_384
"""Open files asked for: connections in flight and idle, and a file for each body."""

__all__ = ["FetchOptions", "Mode", "run"]


def run(records: Source, emit: Emit, options: FetchOptions) -> Tally:
    """Fetch the file of each record that has a URL, in the mode that the options name.

    Args:
        records: What to fetch.
        emit: Where each record goes as soon as it is done.
        options: How.

    Raises:
        OutputError: Files or records cannot be written.
        UsageError: The options cannot be used on this machine.
    """
    _raise_file_limit()
    # A mode brings its libraries with it; help and the other modes do without.
    name = "workers" if options.workers > 1 else options.mode
    mode = importlib.import_module(f"imgpipe.fetch.by_{name}")
    tally: Tally = mode.run(records, emit, options)
    return tally


def _raise_file_limit() -> None:
    # Shells commonly set 1,024, or 256 on macOS, though the system allows far more.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
