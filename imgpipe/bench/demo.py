"""The whole pipe on the embedded pictures, to be looked at: the very line that a shell would run."""

from __future__ import annotations

import contextlib
import csv
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from imgpipe import records
from imgpipe.bench import pictures
from imgpipe.bench.environment import without_proxy
from imgpipe.bench.options import DemoOptions
from imgpipe.bench.server import serve
from imgpipe.errors import OutputError, ProcessError, UsageError, safe
from imgpipe.records import Record

_NAME: Final = "imgpipe-demo"

_MORE: Final = {
    "redirected": ("/redirect/2/photo/13.jpg", "Behind two redirects"),
    "crop": ("/photo/12.jpg", "Chelsea, nearer"),
    "slow": ("/photo/17.jpg?latency=0.5", "Half a second late"),
}
_BROKEN: Final = {
    "missing": ("/status/404", "An address that is gone"),
    "page": ("/broken/html.jpg", "A page instead of a picture"),
    "cut": ("/broken/truncated.jpg", "A file that was cut"),
    "empty": ("/broken/empty.jpg", "A file without a byte"),
}
ENTRIES: Final[dict[str, tuple[str, str]]] = {
    **{name: (f"/pictures/{name}.jpg", title) for name, title in pictures.TITLES.items()},
    **_MORE,
    **_BROKEN,
}
"""Key, path and caption of what the demonstration fetches."""

PLACED: Final = len(ENTRIES) - len(_BROKEN)
"""How many of them can be placed."""


def demo(options: DemoOptions, tell: Callable[[str], None]) -> None:
    """Fill a folder by the pipe, and tell what is done and what came of it.

    Args:
        options: Where to, and how large.
        tell: Is given each line for people.

    Raises:
        UsageError: The folder holds something already.
        OutputError: It cannot be made.
        ProcessError: The pipe ended with an error.
    """
    out = _fresh_folder(options.out)
    with serve() as url:
        _write_list(out / "urls.csv", url)
        pipe = command(out, options.size)
        tell(
            f"{len(ENTRIES)} URLs are in {safe(str(out / 'urls.csv'))}, {len(_BROKEN)} of them broken on purpose:\n"
        )
        tell("\n".join(f"    {safe(line)}" for line in pipe.split("\n")) + "\n")
        _run(pipe)
    placed, failed = _placed(out), _records(out / "__imgpipe__" / "failed.jsonl")
    _draw_sheet(out, placed, options.size)
    tell("")
    for line in tree(out):
        tell(safe(line))
    tell("\nIn metadata.jsonl, a line a picture:\n")
    tell("    " + records.dump_for_terminal(placed[0]).decode().rstrip() + "\n")
    tell("In __imgpipe__/failed.jsonl, a line each of the others:\n")
    for record in failed:
        tell(
            safe(
                f"    {record.get('key')}: {record.get('error')} in {record.get('stage')}: {record.get('detail')}",
                110,
            )
        )
    tell(f"\nTo look at: {safe(str(out / 'contact-sheet.jpg'))}")


def command(out: Path, size: int) -> str:
    """The pipe, as a shell takes it."""
    return " |\n  ".join(
        [
            f"imgpipe read {_quoted(out / 'urls.csv')}",
            "imgpipe fetch --allow-private",
            f"imgpipe resize --size {size}",
            f"imgpipe shard --name-format key {_quoted(out)}",
        ]
    )


def _quoted(path: Path) -> str:
    # A name that begins with a dash would be taken for an option.
    return shlex.quote(f"./{path}" if str(path).startswith("-") else str(path))


def _fresh_folder(wanted: Path | None) -> Path:
    try:
        if wanted is not None:
            wanted.mkdir(parents=True, exist_ok=True)
            if any(wanted.iterdir()):
                raise UsageError(f"{wanted} is not empty; name a folder that is not there yet")
            return wanted
        return next(_free_folders())
    except FileExistsError:
        raise UsageError(f"{wanted} is not a folder") from None
    except OSError as error:
        raise OutputError(f"cannot make the folder {wanted or _NAME}: {error.strerror}") from error


def _free_folders() -> Iterator[Path]:
    """The first of `imgpipe-demo`, `imgpipe-demo-2`, … that could be made."""
    for number in range(1, 10_000):
        folder = Path(_NAME if number == 1 else f"{_NAME}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            yield folder
    raise UsageError(f"there are too many folders called {_NAME}-N; name one")


def _write_list(path: Path, url: str) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("key", "url", "caption"))
        lines.writerows((key, url + target, caption) for key, (target, caption) in ENTRIES.items())


def _run(pipe: str) -> None:
    """Have a shell run the pipe, with this very program as `imgpipe`."""
    with tempfile.TemporaryDirectory(prefix="imgpipe-demo-") as folder:
        program = Path(folder) / "imgpipe"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m imgpipe "$@"\n')
        program.chmod(0o700)
        environment = without_proxy()
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
        done = subprocess.run(["/bin/sh", "-c", pipe], env=environment, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise ProcessError(f"the pipe ended with {done.returncode}")


def _records(path: Path) -> list[Record]:
    try:
        return [records.parse(line, "url") for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise ProcessError(f"the pipe wrote no {path}: {error.strerror}") from error


def _placed(out: Path) -> list[Record]:
    """What was placed, in the order of the list."""
    order = list(ENTRIES)
    placed = _records(out / "metadata.jsonl")
    if not placed:
        raise ProcessError("the pipe placed nothing")
    return sorted(placed, key=lambda record: order.index(record["key"]))


def _draw_sheet(out: Path, placed: list[Record], size: int) -> None:
    from imgpipe.bench import sheet  # noqa: PLC0415 - it loads Pillow

    shown = [(out / record["file_name"], str(record["caption"])) for record in placed]
    sheet.draw(
        shown,
        f"imgpipe demo: {len(placed)} of {len(ENTRIES)} placed",
        out / "contact-sheet.jpg",
        min(size, 256),
    )


def tree(folder: Path) -> list[str]:
    """The folder's content as a tree, a line a name, with the size of each file."""
    return [f"{folder}/", *_branches(folder, "")]


def _branches(folder: Path, indent: str) -> Iterator[str]:
    entries = sorted(folder.iterdir())
    for entry in entries:
        last = entry is entries[-1]
        mark, deeper = ("└── ", "    ") if last else ("├── ", "│   ")
        if entry.is_dir():
            yield f"{indent}{mark}{entry.name}/"
            yield from _branches(entry, indent + deeper)
        else:
            size = entry.stat().st_size
            amount = f"{size / 1000:.1f} kB" if size >= 1000 else f"{size} B"
            yield f"{indent + mark + entry.name:<30} {amount:>8}"
