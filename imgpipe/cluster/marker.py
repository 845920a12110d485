"""The marker of a part, `OUT/__imgpipe__/NAME.done.json`, read back; and what a part came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from imgpipe import records
from imgpipe.errors import ProcessError
from imgpipe.layout import DONE, Layout
from imgpipe.placed import hidden_bytes

_KINDS: Final = 64
"""Kinds that are taken from a marker; there are half as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartResult:
    """What one part came to.

    Attributes:
        name: The part.
        records: Records of its input.
        placed: Images that are in OUT.
        skipped: Records that a rule left out.
        failed: Records that failed.
        kinds: The skipped and failed ones by kind.
        size: Bytes of the images.
        shards: Shards that hold them.
        seconds: That the last attempt took.
        attempt: Which attempt it was, from 1.
        error: Why the part is not done; None where it is.
    """

    name: str
    records: int = 0
    placed: int = 0
    skipped: int = 0
    failed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    size: int = 0
    shards: int = 0
    seconds: float = 0.0
    attempt: int = 1
    error: str | None = None


def result(out: str, name: str, *, seconds: float, attempt: int) -> PartResult:
    """What the part's marker tells.

    Raises:
        ProcessError: There is none, or it cannot be read.
    """
    try:
        return _result(records.loads(hidden_bytes(out, Layout(name).hidden(DONE))), seconds, attempt)
    except FileNotFoundError:
        raise ProcessError("the pipe went well, but the part has no marker: is its shard in OUT?") from None
    except OSError as error:
        raise ProcessError(f"its marker cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ProcessError(f"its marker is none: {error!r}") from error


def _result(marker: dict[str, Any], seconds: float, attempt: int) -> PartResult:
    kinds = {str(kind): int(count) for kind, count in list(marker["kinds"].items())[:_KINDS]}
    return PartResult(
        name=str(marker["part"]),
        records=int(marker["input"]["records"]),
        placed=int(marker["placed"]),
        skipped=int(marker["skipped"]),
        failed=int(marker["failed"]),
        kinds=Counter(kinds),
        size=int(marker["bytes"]),
        shards=len(marker["shards"]),
        seconds=seconds,
        attempt=attempt,
    )
