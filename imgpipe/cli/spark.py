"""`imgpipe spark`: the pipe once a part, on a cluster of Spark."""

from __future__ import annotations

import os
from typing import Any

import click

from imgpipe.cli.params import NAMES, SECONDS, SECONDS_OR_ZERO, PathName
from imgpipe.cli.shard import command as shard
from imgpipe.cluster import pipe as pipes
from imgpipe.cluster.options import FORMATS, Columns, Job, SparkOptions
from imgpipe.errors import Exit, UsageError, safe
from imgpipe.parts import MOST_PARTS, PART_BY
from imgpipe.remote import address_of

DEFAULTS = Job(out="")


class Setting(click.ParamType[tuple[str, str]]):
    """A setting of Spark: `NAME=VALUE`."""

    name = "setting"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """The name and the value."""
        if isinstance(value, tuple):
            return value
        name, sign, text = str(value).partition("=")
        if not sign or not name.strip():
            self.fail(f"{value!r} is no setting; write NAME=VALUE", param, ctx)
        return name.strip(), text


@click.command("spark")
@click.argument("table", type=PathName(), metavar="INPUT")
@click.argument("out", type=PathName(), metavar="OUT")
@click.argument("pipe", nargs=-1, metavar="[-- PIPE]")
@click.option(
    "--parts", type=click.IntRange(1, MOST_PARTS), metavar="N", help="Parts; without it, one for 10000 rows."
)
@click.option(
    "--part-by",
    type=click.Choice(PART_BY),
    default=PART_BY[0],
    show_default=True,
    help="All URLs of a host in one part, or even parts.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="The form of INPUT; auto goes by the suffix.",
)
@click.option("--url-col", metavar="NAME", help="The column that becomes url.")
@click.option("--key-col", metavar="NAME", help="The column that becomes key.")
@click.option("--caption-col", metavar="NAME", help="The column that becomes caption.")
@click.option("--columns", type=NAMES, metavar="A,B", help="Pass on these columns besides; without it, all.")
@click.option("--master", metavar="URL", help="The cluster; without it, what Spark is set up for.")
@click.option(
    "--conf", type=Setting(), multiple=True, metavar="NAME=VALUE", help="A setting of Spark, again for more."
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=DEFAULTS.attempts,
    show_default=True,
    metavar="N",
    help="How often a part is tried.",
)
@click.option(
    "--wait",
    type=SECONDS_OR_ZERO,
    default=DEFAULTS.wait,
    show_default=True,
    metavar="S",
    help="Seconds to wait for another process that writes the same part.",
)
@click.option(
    "--timeout",
    type=SECONDS,
    default=DEFAULTS.timeout,
    show_default=True,
    metavar="S",
    help="Seconds after which the pipe of one part is ended.",
)
@click.option(
    "--scratch", type=PathName(), metavar="DIR", help="A folder on each machine for a part's input and spool."
)
@click.option("--fail", is_flag=True, help="Exit 3 if any record failed.")
@click.option("-v", "--verbose", is_flag=True, help="Show what Spark says.")
@click.option("-q", "--quiet", is_flag=True, help="No summary.")
def command(table: str, out: str, pipe: tuple[str, ...], **options: Any) -> Exit:
    """Run PIPE once a part of INPUT on Spark, and place the images in OUT.

    PIPE is `fetch | resize | shard` unless it is given after --, as one text or as words with quoted bars.
    """
    from imgpipe.cluster import summary  # noqa: PLC0415 - --help needs none of it
    from imgpipe.cluster.run import run  # noqa: PLC0415 - as above

    fail, scratch = options.pop("fail"), options.pop("scratch")
    columns = Columns(
        url=options.pop("url_col"),
        key=options.pop("key_col"),
        caption=options.pop("caption_col"),
        others=options.pop("columns"),
    )
    job = Job(
        # The executors run in folders of their own.
        out=out if address_of(out) else os.path.abspath(out),
        pipe=pipes.parse(pipe),
        columns=columns,
        scratch=None if scratch is None else os.path.abspath(scratch),
        **{name: options.pop(name) for name in ("attempts", "wait", "timeout")},
    )
    _check_shard(job)
    wanted = SparkOptions(input=table, job=job, **options)
    found = run(wanted)
    if not wanted.quiet:
        summary.tell(found)
    if found.broken:
        return Exit.INTERNAL
    return Exit.RECORDS_FAILED if fail and found.total("failed") else Exit.OK


def _check_shard(job: Job) -> None:
    """Refuse words after `shard` that it would not take, before anything starts.

    Raises:
        click.UsageError: An option is wrong.
        UsageError: There is a name: it would be a picture to place, and the records of the part would go nowhere.
    """
    (words,) = (list(command[1:]) for command in job.pipe if command[0] == "shard")
    names = shard.make_context("imgpipe shard", [job.out, *words]).params["path"]
    if names:
        raise UsageError(
            f"the pipe's shard places in the OUT of imgpipe spark: leave {safe(names[0], 200)} out of the pipe"
        )
