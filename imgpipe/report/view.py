"""What the page says about the facts: words and numbers, ready to be set. Nothing is drawn or opened here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imgpipe.hints import hint
from imgpipe.records import Record
from imgpipe.report import text
from imgpipe.report.facts import NO_HOST, OTHER, Cause, Facts

_EXAMPLES: Final = 3
_HOSTS_OF_KIND: Final = 6
_HOSTS: Final = 15
_DETAIL: Final = 240

_FALLBACK: Final[dict[str, str]] = {
    "http_status": "the servers answered with these statuses instead of a picture",
    "empty": "the servers sent nothing; a later try may find the pictures",
    "bad_encoding": "the servers sent what cannot be decoded; nothing helps but another source",
    OTHER: "kinds that this version does not know: they come from another program or a newer imgpipe",
}
"""What is said of kinds that have no hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure at the head."""

    name: str
    value: str
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A record that failed."""

    url: str
    href: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A kind of failure."""

    kind: str
    stage: str
    skipped: bool
    count: str
    percent: str
    width: float
    hint: str
    again: str
    """How many of them may succeed later; empty for none."""
    statuses: str
    examples: Sequence[Example]
    hosts: Sequence[tuple[str, str]]
    in_sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host of failed records."""

    name: str
    failed: str
    of: str
    percent: str
    width: float
    kinds: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Extreme:
    """One of the largest or slowest."""

    value: str
    url: str
    href: str | None
    more: str


def tiles(facts: Facts) -> list[Tile]:
    """The figures at the head, those that there are."""
    found = [Tile(name="Data", value=text.size(facts.bytes), more="in the images")] if facts.bytes else []
    if facts.sizes.count:
        found.append(
            Tile(
                name="Median image",
                value=text.size(facts.sizes.quantile(0.5)),
                more=f"95 % below {text.size(facts.sizes.quantile(0.95))}",
            )
        )
    if facts.seconds.count:
        slow = text.seconds(facts.seconds.quantile(0.95))
        found.append(
            Tile(
                name="Median fetch",
                value=text.seconds(facts.seconds.quantile(0.5)),
                more=f"95 % within {slow}",
            )
        )
    hosts = facts.hosts.different - bool(facts.hosts.count(NO_HOST))
    if hosts:
        number = text.number(hosts)
        exact = facts.hosts.is_exact
        found.append(Tile(name="Hosts", value=number if exact else f"> {number}", more=_busiest(facts)))
    tried = sum(facts.attempts.values())
    if tried:
        again = tried - facts.attempts[1]
        found.append(
            Tile(name="Second tries", value=text.percent(again, tried), more=f"{text.number(again)} images")
        )
    return found


def _busiest(facts: Facts) -> str:
    name, count = facts.hosts.top(1)[0]
    return f"the first has {text.percent(count, facts.total)}" if name != NO_HOST else ""


def failures(facts: Facts) -> list[Failure]:
    """The kinds of failure, the commonest first; what a rule left out comes last."""
    ranked = sorted(
        facts.causes.items(), key=lambda item: (item[1].skipped * 2 > item[1].count, -item[1].count)
    )
    highest = max((cause.count for cause in facts.causes.values()), default=1)
    return [_failure(kind, cause, facts.total, highest) for kind, cause in ranked]


def _failure(kind: str, cause: Cause, total: int, highest: int) -> Failure:
    skipped = cause.skipped * 2 > cause.count
    statuses = [f"{status}: {text.number(count)}" for status, count in cause.statuses.most_common(8)]
    advice = hint(kind, cause.stage, count=cause.count, total=total, http_status=cause.status)
    return Failure(
        kind=kind,
        stage=cause.stage,
        skipped=skipped,
        count=text.number(cause.count),
        percent=text.percent(cause.count, total),
        width=round(100 * cause.count / highest, 2),
        hint=_sentence(advice or _FALLBACK.get(kind, "")),
        again=text.number(cause.retryable) if cause.retryable else "",
        statuses=", ".join(statuses) if kind == "http_status" else "",
        examples=[_example(row) for row in cause.rows.kept[:_EXAMPLES]],
        hosts=[
            (text.visible(name, 100), text.number(count)) for name, count in cause.hosts.top(_HOSTS_OF_KIND)
        ],
        in_sample=len(cause.rows.kept),
    )


def _sentence(advice: str) -> str:
    return advice and f"{advice[0].upper()}{advice[1:]}."


def _example(row: Record) -> Example:
    url = row.get("url")
    return Example(
        url=text.shown(url, text.URL_SHOWN) if url is not None else "(a line without a URL)",
        href=text.link(url),
        detail=text.shown(row.get("detail", ""), _DETAIL),
    )


def hosts(facts: Facts) -> list[Host]:
    """The hosts with the most failures."""
    found = []
    for name, count in facts.failing.top(_HOSTS):
        of = max(count, facts.hosts.count(name))
        kinds = [(kind, cause.hosts.count(name)) for kind, cause in facts.causes.items() if not cause.skipped]
        ranked = sorted((pair for pair in kinds if pair[1]), key=lambda pair: -pair[1])[:3]
        found.append(
            Host(
                name=text.visible(name, 253),
                failed=("≥ " if facts.failing.missed(name) else "") + text.number(count),
                of=text.number(of),
                percent=text.percent(count, of),
                width=round(100 * count / of, 2),
                kinds=", ".join(f"{kind} {text.number(number)}" for kind, number in ranked),
            )
        )
    return found


def slowest(facts: Facts) -> list[Extreme]:
    """The images that took longest."""
    return [_extreme(text.seconds(value), row, "bytes") for value, row in facts.slowest.items()]


def largest(facts: Facts) -> list[Extreme]:
    """The images with the most bytes."""
    return [_extreme(text.size(value), row, "") for value, row in facts.largest.items()]


def _extreme(value: str, row: Record, more: str) -> Extreme:
    url = row.get("url") or row.get("file_name") or row.get("path")
    size = row.get("bytes")
    return Extreme(
        value=value,
        url=text.shown(url, text.URL_SHOWN),
        href=text.link(url),
        more=text.size(size) if more and type(size) is int else _pixels(row),
    )


def _pixels(row: Record) -> str:
    width, height = row.get("width"), row.get("height")
    return f"{width} × {height}" if type(width) is int and type(height) is int and width > 0 else ""
