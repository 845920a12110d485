"""Which number comes next, by the names that stand in OUT. Everything here is pure."""

from __future__ import annotations

from collections.abc import Iterable

from imgpipe.layout import Layout


def next_number(layout: Layout, names: Iterable[str], first: int) -> int:
    """The number of the next shard: no gap is left, and none is used twice."""
    return max(first, max(layout.shards(names), default=-1) + 1)


def lone_sidecars(layout: Layout, names: Iterable[str], hidden: Iterable[str]) -> list[str]:
    """The sidecars whose shard was never committed."""
    committed = layout.shards(names)
    return [name for number, name in layout.sidecars(hidden).items() if number not in committed]
