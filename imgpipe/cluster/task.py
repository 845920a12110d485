"""What Spark runs on the executors: one part a task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imgpipe.cluster.marker import PartResult
from imgpipe.cluster.options import Job
from imgpipe.cluster.part import run_part
from imgpipe.cluster.rows import whole
from imgpipe.errors import ProcessError
from imgpipe.parts import name_of


def run_task(
    job: Job, sources: int, number: int, found: Iterable[tuple[int, str | int]]
) -> Iterator[PartResult]:
    """Run the part `number`, with what `rows.parted` found for it in so many sources.

    A part that fails fails its task, so that Spark tries it elsewhere; the last attempt hands its failure
    over as a result, so that the others go on.
    """
    from pyspark import TaskContext  # noqa: PLC0415 - an extra, and heavy

    context = TaskContext.get()
    attempt = 1 if context is None else context.attemptNumber() + 1
    name = name_of(number)
    try:
        yield run_part(name, whole(found, sources), job, attempt=attempt)
    except ProcessError as error:
        if attempt < job.attempts:
            raise
        yield PartResult(name=name, attempt=attempt, error=str(error))
