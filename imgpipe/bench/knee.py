"""Where more requests in flight stop to pay. Nothing here measures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from imgpipe.bench.measure import Measurement

SHARE: Final = 0.95
"""What of the best rate is good enough: runs of ten seconds differ by a few hundredths from one another."""


@dataclass(frozen=True, slots=True)
class Knee:
    """The least number in flight that comes near the best rate of a sweep.

    Attributes:
        concurrency: That number.
        rate: Images a second with it.
        best_concurrency: The number with the best rate; the least of several.
        best_rate: Images a second with that.
        is_last: Whether it is the largest number tried, so that more might do better.
    """

    concurrency: int
    rate: float
    best_concurrency: int
    best_rate: float
    is_last: bool

    @property
    def share(self) -> float:
        """Its part of the best rate, 0.95 to 1."""
        return self.rate / self.best_rate


def find(points: Iterable[tuple[int, float]], share: float = SHARE) -> Knee | None:
    """The least number in flight whose rate is at least `share` of the best one.

    Args:
        points: Numbers in flight, each with its images a second, in any order.
        share: Above 0, at most 1.

    Returns:
        The knee; None where no image came at all.
    """
    rising = sorted(points)
    best_rate = max((rate for _, rate in rising), default=0.0)
    if best_rate <= 0:
        return None
    concurrency, rate = next(point for point in rising if point[1] >= share * best_rate)
    best = next(number for number, other in rising if other == best_rate)
    return Knee(concurrency, rate, best, best_rate, is_last=concurrency == rising[-1][0])


def curves(found: Iterable[Measurement]) -> dict[str, list[tuple[int, float]]]:
    """The points of each mode that was measured at several numbers in flight, in rising order."""
    points: dict[str, list[tuple[int, float]]] = {}
    for one in found:
        if one.concurrency is not None:
            points.setdefault(one.mode, []).append((one.concurrency, one.per_second))
    return {mode: sorted(curve) for mode, curve in points.items() if len(curve) > 1}


def sentences(found: Sequence[Measurement]) -> list[str]:
    """What each sweep says, a line a mode: its knee in words."""
    return [_sentence(mode, find(curve)) for mode, curve in curves(found).items()]


def _sentence(mode: str, knee: Knee | None) -> str:
    if knee is None:
        return f"knee: {mode}: no image came at any number in flight"
    text = f"knee: {mode} -j {knee.concurrency}: {knee.rate:,.1f} images/s, "
    if knee.concurrency == knee.best_concurrency:
        text += "the best rate"
    else:
        text += f"{knee.share:.0%} of the best rate ({knee.best_rate:,.1f} with -j {knee.best_concurrency})"
    if knee.is_last:
        return f"{text}; the curve still rises, try more"
    return f"{text}; the least in flight that reaches {SHARE:.0%}"
