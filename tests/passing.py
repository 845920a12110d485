"""A stage that passes its records on: what every stage shares, run as a real process.

python passing.py [OPTIONS] [VALUE]...
"""

from __future__ import annotations

from pathlib import Path

import click

from imgpipe import console, spool
from imgpipe.cli.stage import common_options, grace_option, run_stage
from imgpipe.errors import Kind, RecordError
from imgpipe.records import fail, is_over, succeed


@click.command()
@common_options
@grace_option
@click.argument("values", nargs=-1, type=click.UNPROCESSED)
@click.option("--spool", "root", type=click.Path(path_type=Path))
@click.option("--gather", default=0)
@click.option("--no-output", is_flag=True)
def command(common, grace, values, root, gather, no_output):
    """Pass each record on; with --spool with a file of its own; those of `bad:` URLs fail."""

    def work(source, emit):
        run = spool.Spool(root) if root else None
        if run is not None:
            emit.watch.at_end(run.remove)
        for record in source:
            if not is_over(record):
                if str(record.get("url")).startswith("bad:"):
                    fail(record, "fetch", RecordError(Kind.HTTP_STATUS, "404 Not Found", http_status=404))
                else:
                    succeed(record)
                    if run is not None:
                        record |= {"path": run.new_path("bin"), "spooled": True}
                        with open(record["path"], "wb") as file:
                            file.write(b"x")
            emit(record)
        emit.flush()
        if run is not None:
            run.close()

    return run_stage(
        "fetch",
        common,
        work,
        bare="url",
        values=values,
        grace=grace,
        output=not no_output,
        gather=gather,
        waits_for="URLs",
    )


if __name__ == "__main__":
    from imgpipe.cli import app

    app.imgpipe = command
    console.open_missing_streams()
    app.run()
