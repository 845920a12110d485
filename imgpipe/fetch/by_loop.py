"""Mode loop: one record after the other, the plain reference for the other modes.

A crew of one that reads no further than the record it works on.
"""

from __future__ import annotations

from imgpipe.fetch.by_threads import run

__all__ = ["run"]
