"""What a run came to: for people, and as `OUT/__imgpipe__/spark.json`."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from imgpipe import __version__, console, files, records
from imgpipe.cluster.marker import PartResult
from imgpipe.errors import ImgpipeError, UsageError, safe
from imgpipe.layout import HIDDEN
from imgpipe.parts import MOST_PARTS, PART_BY
from imgpipe.placed import hidden_bytes
from imgpipe.remote import Remote, address_of

NAME: Final = "spark.json"

_TOLD: Final = 10
"""Failed parts that are told to people; the file has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run over all parts.

    Attributes:
        input: What was read.
        part_by: What decided the part of a record.
        results: What each part came to, in order.
        starting: Seconds until Spark was ready.
        seconds: Seconds of the work itself.
    """

    input: str
    part_by: str
    results: tuple[PartResult, ...]
    starting: float
    seconds: float

    @property
    def broken(self) -> list[PartResult]:
        """The parts that are not done."""
        return [result for result in self.results if result.error is not None]

    def total(self, name: str) -> int:
        """The sum of a count over all parts."""
        return sum(getattr(result, name) for result in self.results)

    @property
    def kinds(self) -> Counter[str]:
        """Skipped and failed records of all parts by kind."""
        return sum((result.kinds for result in self.results), Counter())

    def as_object(self) -> dict[str, Any]:
        """As JSON tells it."""
        return {
            "input": self.input,
            "part_by": self.part_by,
            "parts": len(self.results),
            "done": len(self.results) - len(self.broken),
            "records": self.total("records"),
            "placed": self.total("placed"),
            "skipped": self.total("skipped"),
            "failed": self.total("failed"),
            "kinds": dict(self.kinds.most_common()),
            "bytes": self.total("size"),
            "shards": self.total("shards"),
            "starting_seconds": round(self.starting, 3),
            "seconds": round(self.seconds, 3),
            "parts_failed": [
                {"part": result.name, "attempts": result.attempt, "error": result.error}
                for result in self.broken
            ],
            "imgpipe": __version__,
        }

    def lines(self) -> Iterator[str]:
        """As people are told it."""
        kinds = ", ".join(f"{safe(kind, 40)} {count}" for kind, count in self.kinds.most_common(3))
        yield (
            f"imgpipe spark: {len(self.results) - len(self.broken)} of {len(self.results)} parts done: "
            f"{self.total('records')} records, {self.total('placed')} placed, {self.total('skipped')} skipped, "
            f"{self.total('failed')} failed{f' ({kinds})' if kinds else ''}, "
            f"in {self.seconds:.1f} s after {self.starting:.1f} s to start Spark"
        )
        for result in self.broken[:_TOLD]:
            yield f"imgpipe spark: part {result.name} failed: {safe(str(result.error))}"
        if len(self.broken) > _TOLD:
            yield f"imgpipe spark: {len(self.broken) - _TOLD} more failed: see {HIDDEN}/{NAME}"
        if self.broken:
            yield "imgpipe spark: the same command again goes on with the parts that failed"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the input of an OUT is cut into parts; it holds for all runs over that OUT.

    Attributes:
        parts: How many parts.
        part_by: What decides the part of a record.
    """

    parts: int
    part_by: str


def plan_before(out: str) -> Plan | None:
    """The plan of an earlier run, also of one that did not end; None where there was none.

    Raises:
        UsageError: It cannot be read: in other parts, much would be placed twice.
    """
    try:
        found = records.loads(hidden_bytes(out, NAME))
        plan = Plan(int(found["parts"]), str(found["part_by"]))
        if not (1 <= plan.parts <= MOST_PARTS and plan.part_by in PART_BY):
            raise ValueError(plan)  # noqa: TRY301 - one place makes the error
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ImgpipeError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{safe(out)}: {HIDDEN}/{NAME}, which tells how INPUT was cut into parts, cannot be read: "
            f"{safe(str(error), 200)}"
        ) from error
    return plan


def write_plan(out: str, plan: Plan) -> None:
    """Leave the plan in OUT before the first part is begun."""
    _write(out, records.dump({"parts": plan.parts, "part_by": plan.part_by}))


def write(out: str, summary: Summary) -> None:
    """Leave the summary in OUT, complete or as it was."""
    _write(out, records.dump(summary.as_object()))


def _write(out: str, line: bytes) -> None:
    """Where this machine cannot write to OUT, though the executors may, say so."""
    try:
        address = address_of(out)
        if address is not None:
            with tempfile.NamedTemporaryFile() as file:
                file.write(line)
                file.flush()
                Remote(address).put(file.name, f"{HIDDEN}/{NAME}")
        else:
            files.replace(os.path.join(files.make_folder(os.path.join(out, HIDDEN)), NAME), line)
    except (OSError, ImgpipeError) as error:
        console.complain(f"{NAME} is not in {safe(out)}: {error}")


def tell(summary: Summary) -> None:
    """Write the summary for people."""
    for line in summary.lines():
        console.say(line)
