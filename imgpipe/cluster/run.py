"""The whole run: INPUT into parts, the pipe over each, one stage without barriers, what it came to."""

from __future__ import annotations

import dataclasses
import math
import time
from functools import partial
from typing import Any

from imgpipe.cluster import rows, summary
from imgpipe.cluster.options import ROWS_A_PART, SparkOptions
from imgpipe.cluster.session import as_process_errors, session
from imgpipe.cluster.summary import Plan, Summary
from imgpipe.cluster.table import Table, open_table
from imgpipe.cluster.task import run_task
from imgpipe.errors import UsageError, safe
from imgpipe.parts import MOST_PARTS


def run(options: SparkOptions) -> Summary:
    """Run the pipe once a part on Spark, and leave a summary in OUT.

    Raises:
        UsageError: Spark does not start, INPUT cannot be read, or OUT was made in other parts.
        ProcessError: Spark gave up.
    """
    started = time.monotonic()
    before = summary.plan_before(options.job.out)
    if before is not None and before != Plan(options.parts or before.parts, options.part_by):
        raise UsageError(
            f"{safe(options.job.out)} was made in {before.parts} parts by {before.part_by}; "
            f"--parts {before.parts} --part-by {before.part_by} goes on with it"
        )
    with session(options) as spark:
        ready = time.monotonic()
        table = open_table(spark, options)
        with as_process_errors("Spark gave up; the same command again goes on"):
            parts = before.parts if before is not None else options.parts or _enough(table)
            summary.write_plan(options.job.out, Plan(parts, options.part_by))
            results = _parted(table, parts, options).collect()
        found = Summary(
            input=options.input,
            part_by=options.part_by,
            results=tuple(sorted(results, key=lambda result: result.name)),
            starting=ready - started,
            seconds=time.monotonic() - ready,
        )
    summary.write(options.job.out, found)
    return found


def _enough(table: Table) -> int:
    count: int = table.frame.count()
    return max(1, min(MOST_PARTS, math.ceil(count / ROWS_A_PART)))


def _parted(table: Table, parts: int, options: SparkOptions) -> Any:
    """What the parts come to, as Spark works it out: a part a partition, each a task of one stage."""
    lines = table.rows.mapPartitionsWithIndex(partial(rows.parted, parts=parts, by=options.part_by))
    job = dataclasses.replace(options.job, plain=table.plain)
    sources = table.rows.getNumPartitions()
    return lines.partitionBy(parts, _itself).mapPartitionsWithIndex(partial(run_task, job, sources))


def _itself(number: int) -> int:
    return number
