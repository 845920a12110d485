"""What `imgpipe verify` can be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """The options of one run."""

    out: str
    """The folder of the data set."""
    jobs: int
    """Images decoded at a time, at least 1."""
