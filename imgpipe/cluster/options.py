"""What `imgpipe spark` can be told, and what each executor is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from imgpipe.parts import BY_HOST

FORMATS: Final = ("auto", "txt", "csv", "tsv", "jsonl", "parquet")
"""The forms of INPUT that Spark's own readers take."""

ROWS_A_PART: Final = 10_000
"""Rows of a part where nobody says how many parts: two minutes of work at 100 images a second."""

Command: TypeAlias = tuple[str, ...]
"""A program with its arguments."""

DEFAULT_PIPE: Final[tuple[Command, ...]] = (("fetch",), ("resize",), ("shard",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns become which fields, as for `imgpipe read`."""

    url: str | None = None
    """The column that becomes `url`; None finds the usual names."""
    key: str | None = None
    """The column that becomes `key`; None finds the usual names, or none."""
    caption: str | None = None
    """The column that becomes `caption`; None finds the usual names, or none."""
    others: tuple[str, ...] | None = None
    """The columns to pass on besides those three; None for all, empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is the same for all parts; it travels to the executors."""

    out: str
    """Absolute path of the data set, or its address."""
    pipe: tuple[Command, ...] = DEFAULT_PIPE
    """The commands of the pipe, `imgpipe` left out, and without what a part adds."""
    columns: Columns = Columns()
    """Which columns become which fields."""
    plain: bool = False
    """Whether the rows are records already, so that nothing has to be renamed."""
    attempts: int = 4
    """How often a part is tried before it is given up; at least 1."""
    wait: float = 3600.0
    """Seconds to wait for another process that writes the same part."""
    timeout: float = 86_400.0
    """Seconds after which the pipe of one part is ended."""
    scratch: str | None = None
    """A folder on each machine for a part's input and spool; None for the temporary directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkOptions:
    """The options of one run."""

    input: str
    """A file, a folder or a pattern, at any store that the cluster knows."""
    job: Job
    """What the executors are told."""
    parts: int | None = None
    """How many parts; None for as many as before in the same OUT, else one for `ROWS_A_PART` rows."""
    part_by: str = BY_HOST
    """One of `parts.PART_BY`."""
    format: str = "auto"
    """One of `FORMATS`; `auto` goes by the suffix."""
    master: str | None = None
    """The cluster, as `spark-submit --master` takes it; None for what Spark is set up for."""
    conf: tuple[tuple[str, str], ...] = ()
    """Settings of Spark, which win over those that imgpipe makes."""
    quiet: bool = False
    """No message but errors."""
    verbose: bool = False
    """What Spark says goes to standard error."""
