"""Which number and which index come next, by the names that stand in OUT. Everything here is pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SHARD: Final = re.compile(r"([0-9]{5,})\.(?:tar|parquet)")
_SIDECAR: Final = re.compile(r"([0-9]{5,})\.jsonl")


def shards(names: Iterable[str]) -> dict[int, str]:
    """The shards among the names in OUT, by number, in order."""
    found = ((int(match[1]), name) for name in names if (match := _SHARD.fullmatch(name)))
    return dict(sorted(found))


def next_number(names: Iterable[str], first: int) -> int:
    """The number of the next shard: no gap is left, and none is used twice."""
    return max(first, max(shards(names), default=-1) + 1)


def lone_sidecars(names: Iterable[str], hidden: Iterable[str]) -> list[str]:
    """The sidecars whose shard was never committed."""
    committed = shards(names)
    return [name for name in hidden if (match := _SIDECAR.fullmatch(name)) and int(match[1]) not in committed]


def sidecar_name(number: int) -> str:
    """The name of the sidecar of a shard."""
    return f"{number:05d}.jsonl"
