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
    parts: int | None = None
    """How many parts the data set has, at least 1; None takes those that are there."""
