"""The layers of the house, read from the imports themselves."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import imgpipe

ROOT = Path(imgpipe.__file__).parent

LAYERS = {
    "errors": 0,
    "records": 1,
    "media": 1,
    "machine": 1,
    "spool": 1,
    "sweep": 1,
    "files": 1,
    "hosts": 1,
    "placed": 1,
    "layout": 1,
    "counts": 1,
    "fields": 1,
    "parts": 1,
    "note": 1,
    "remote": 1,
    "commonest": 1,
    "hints": 1,
    "tally": 1,
    "signals": 2,
    "output": 2,
    "window": 2,
    "stream": 2,
    "console": 2,
    "status": 2,
    "read": 3,
    "fetch": 3,
    "resize": 3,
    "shard": 3,
    "bench": 4,
    "verify": 4,
    "report": 4,
    "cluster": 4,
    "cli": 5,
    "__main__": 6,
}
"""Each room or package of imgpipe with its layer. A room imports from its own layer and those below;
packages of one layer do not import one another, and those above the stages do not import stages."""

FOREIGN = {
    "httpx": {"fetch.httpx_seam", "fetch.network"},
    "httptools": {"fetch.wire"},
    "idna": {"hosts"},
    "protego": {"fetch.robots"},
    "trio": {"fetch"},
    "PIL": {"resize.codec", "resize.pixels", "bench", "verify.pictures", "report.thumbnails", "cli.version"},
    "cykooz_resizer": {"resize.pixels"},
    "fsspec": {"remote"},
    "pyarrow": {"read.parquet", "shard.parquet", "verify.parquet", "report.parquet"},
    "zstandard": {"read.packed"},
    "pyspark": {"cluster.session", "cluster.table", "cluster.task"},
    "matplotlib": {"bench"},
    "click": {"cli"},
    "orjson": {
        "records",
        "placed",
        "counts",
        "note",
        "resize",
        "shard",
        "read",
        "bench",
        "verify",
        "report.text",
    },
    "jinja2": {"report.page"},
    "pygal": {"report.charts"},
}
"""Each foreign library with the rooms, or packages, that may import it."""


def room_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__") if name != "__init__" else ""


ROOMS = {room_of(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(room: str, *, at_run_time: bool = False) -> set[str]:
    """Modules that a room imports anywhere, also late; `from a import b` counts as a.b where that is one.

    With `at_run_time` without those that only its annotations need.
    """
    tree = ast.parse(ROOMS[room].read_text())
    left_out = set()
    for node in ast.walk(tree):
        if at_run_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            left_out |= set(ast.walk(node))
    found = set()
    for node in set(ast.walk(tree)) - left_out:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{room} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}".removeprefix("imgpipe.")
                found.add(f"imgpipe.{inner}" if inner in ROOMS else str(node.module))
    return found


def inner_of(imports: set[str]) -> set[str]:
    """The rooms of imgpipe among the imports."""
    inner = {name for name in imports if name.split(".")[0] == "imgpipe"}
    return {name.removeprefix("imgpipe").removeprefix(".") for name in inner} - {""}


IMPORTS = {room: imports_of(room) for room in ROOMS}
INNER = {room: inner_of(names) for room, names in IMPORTS.items()}


def top(room: str) -> str:
    return room.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("room", [room for room in ROOMS if room])
def test_a_room_imports_its_own_layer_and_those_below(room):
    """Nothing reaches up, no stage reaches another one, and what is above them reaches them as processes."""
    layer = LAYERS[top(room)]
    for other in INNER[room]:
        if top(other) == top(room):
            continue
        assert LAYERS[top(other)] <= layer, f"{room} reaches up to {other}"
        if layer in (3, 4):
            assert LAYERS[top(other)] < 3, f"{room} imports {other}: the pipe is their only contract"


def test_there_are_no_circles():
    """Every room can be read after the rooms that it imports."""
    try:
        graph = {room: inner_of(imports_of(room, at_run_time=True)) for room in ROOMS}
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("library", FOREIGN)
def test_a_foreign_library_has_its_rooms(library):
    """A library that is replaced one day is replaced in few places."""
    users = {room for room, names in IMPORTS.items() if library in {name.split(".")[0] for name in names}}

    strangers = {room for room in users if not FOREIGN[library] & {room, top(room)}}
    assert not strangers


def test_every_foreign_library_is_known():
    """What is imported is in the table and in the project's metadata, and nothing else is."""
    found = {name.split(".")[0] for name in itertools.chain(*IMPORTS.values())} - sys.stdlib_module_names
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    stated = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    wanted = {re.split(r"[\[>=<]", text)[0].lower().replace("-", "_") for text in stated}

    assert found <= {*FOREIGN, "imgpipe"}
    assert {{"PIL": "pillow"}.get(name, name) for name in FOREIGN} <= wanted


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_small(room):
    """A room of over 300 lines has more than one purpose."""
    assert len(ROOMS[room].read_text().splitlines()) <= 300


def loaded_by(*args: str) -> set[str]:
    """The modules that `imgpipe ARGS` has loaded at its end, with an empty input."""
    code = (
        "import atexit, os, sys\n"
        "atexit.register(lambda: os.write(2, ('\\0' + ' '.join(sys.modules)).encode()))\n"
        "from imgpipe.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.decode().rpartition("\0")[2].split())


@pytest.mark.parametrize(
    ("args", "never"),
    [
        (["--version"], {"trio", "httpx", "importlib.metadata", "PIL.Image", "pyarrow", "click", "orjson"}),
        (["--help"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["fetch", "--help"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["resize", "--help"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["shard", "--help"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["fetch"], {"httpx", "PIL", "pyarrow"}),
        (["resize"], {"trio", "httpx", "pyarrow"}),
        (["shard", "OUT"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["read"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["clean"], {"trio", "httpx", "PIL", "pyarrow"}),
        (["bench", "--help"], {"trio", "httpx", "PIL", "matplotlib"}),
        (["demo", "--help"], {"trio", "httpx", "PIL", "matplotlib"}),
        (["report", "--help"], {"trio", "httpx", "PIL", "pyarrow", "jinja2", "pygal"}),
    ],
    ids=lambda words: " ".join(sorted(words) if isinstance(words, set) else words),
)
def test_a_command_loads_what_it_needs(args, never, tmp_path):
    """None pays at its start for the libraries of another."""
    found = loaded_by(*(str(tmp_path / "out") if arg == "OUT" else arg for arg in args))

    assert not found & never
