from __future__ import annotations

import functools
import importlib.metadata
import json
import re
from pathlib import Path

import pytest
from helpers import picture, run_filter, shell

from imgpipe import __version__
from imgpipe.bench.server import serve
from imgpipe.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"(?:<!-- command: (\w+) -->\n)?^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
COMMANDS_OF_CI = dict(block for block in BLOCKS if block[0])
RUN_HERE = [text for name, text in BLOCKS if not name]


@pytest.fixture(scope="module")
def server():
    with serve() as address:
        yield address


@pytest.fixture
def home(tmp_path):
    """The files that the blocks speak of: lists of URLs of photographs, two dead ones among them."""
    urls = [f"http://images.example.com/photo/{n}.jpg" for n in range(20)]
    urls += ["http://images.example.com/gone.jpg", "http://images.example.com/status/410"]
    (tmp_path / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    rows = [f'{n},{url},"a picture, number {n}"\n' for n, url in enumerate(urls)]
    (tmp_path / "urls.csv").write_text("id,url,caption\n" + "".join(rows))
    (tmp_path / "pictures").mkdir()
    for n in range(3):
        (tmp_path / "pictures" / f"holiday {n}.jpg").write_bytes(picture(300, 200, seed=n))
    return tmp_path


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_block_does_what_it_says(home, server):
    """Each block of the README runs as it stands, one after the other, and leaves what it promises.

    The example hosts are reached through the embedded server, as a proxy.
    """
    for block in RUN_HERE:
        result = shell(f"set -eu\n{block}", cwd=home, env={"http_proxy": server, "no_proxy": ""})
        assert result.code == 0, f"{block}\n{result.err}"
        assert "Traceback" not in result.err, result.err

    for out, size in (
        ("out", 256),
        ("landscape", 256),
        ("thumbnails", 128),
        ("by-xargs", 256),
        ("by-parallel", 256),
    ):
        placed = lines(home / out / "metadata.jsonl")
        assert {"out": 20, "landscape": len(placed), "thumbnails": 3}.get(out, 20) == len(placed)
        for line in placed:
            assert (home / out / line["file_name"]).is_file()
            assert size == max(line["width"], line["height"])
    failed = lines(home / "out" / "__imgpipe__" / "failed.jsonl")
    assert sorted(record["error"] for record in failed) == ["bad_url", "http_status", "http_status"]
    assert 0 < len(lines(home / "landscape" / "metadata.jsonl")) < 20
    assert all(
        "a picture, number" in line["caption"] for line in lines(home / "landscape" / "metadata.jsonl")
    )
    assert len(list((home / "pictures").iterdir())) == 3
    assert not list((home / "spool").glob("*"))


FIRST_STEPS = [
    row.replace(r"\|", "|")
    for row in re.findall(
        r"\| `(.+)` \|$", README.partition("| begins with |")[2].partition("\n\n")[0], re.MULTILINE
    )
]


@pytest.fixture
def lists(home):
    """The lists of the first steps, of three pictures each."""
    urls = [f"http://images.example.com/photo/{n}.jpg" for n in range(3)]
    rows = [f"{n}\t{url}\n" for n, url in enumerate(urls)]
    (home / "list.tsv").write_text("names\turls\n" + "".join(rows))
    (home / "list.csv").write_text(
        "id,link,title\n" + "".join(f'{n},{url},"a, b"\n' for n, url in enumerate(urls))
    )
    (home / "plain.csv").write_text("".join(row.replace("\t", ",") for row in rows))
    (home / "hosts.txt").write_text("".join(f"{url.removeprefix('http://')}\n" for url in urls))
    (home / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    (home / "pictures").rename(home / "photos")
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    table = pa.table({"URL": urls, "TEXT": ["a", "b", "c"]})
    pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet").write_table(
        table, home / "part-0.parquet"
    )
    return home


@pytest.mark.parametrize("step", FIRST_STEPS)
def test_every_first_step_places_its_list(lists, server, step):
    """Each row of the table, with the end that the text tells, places three pictures."""
    # The embedded server speaks no TLS.
    script = f"{step.replace('https://', 'http://')} | imgpipe resize | imgpipe shard out/"
    result = shell(script, cwd=lists, env={"http_proxy": server, "no_proxy": ""})

    assert result.code == 0, result.err
    assert len(lines(lists / "out" / "metadata.jsonl")) == 3
    assert lines(lists / "out" / "__imgpipe__" / "failed.jsonl") == []


def test_there_are_first_steps():
    """The table is found, so that what stands in it is run."""
    assert len(FIRST_STEPS) == 7


def test_pictures_of_the_readme_are_there_and_small():
    """A page that takes long to load is not read; PyPI, which has no files of ours, is given none of them."""
    found = re.findall(r"!\[.+?\]\((?!https?:)(.+?)\)", README)

    assert found
    for name in found:
        assert (ROOT / name).stat().st_size < 150_000
    description = importlib.metadata.metadata("imgpipe").get_payload()
    assert not re.findall(r"!\[.+?\]\((?!https?:)(.+?)\)", description)


def test_the_gate_runs_the_two_commands():
    """Blocks that install are run by the gate, which takes their text from here."""
    assert {"demo", "test"} == set(COMMANDS_OF_CI)
    gate = ROOT / ".ci" / "run"
    if not gate.exists():
        pytest.skip("the gate is no part of a source distribution")

    assert set(COMMANDS_OF_CI) == set(re.findall(r"run_block \S+ (\w+)$", gate.read_text(), re.MULTILINE))
    for name, text in COMMANDS_OF_CI.items():
        function = re.search(r"^command_of_readme\(\).*?^}", gate.read_text(), re.MULTILINE | re.DOTALL)[0]
        extracted = shell(f"{function}\ncommand_of_readme {name}", cwd=ROOT)
        assert text == extracted.out.decode()


@functools.cache
def options_of(name: str) -> str:
    return run_filter(name, "--help").out.decode()


def test_every_option_in_the_readme_is_there():
    """What the README names can be typed: each long option after a command is one of its own."""
    for name, text in re.findall(r"(?:imgpipe )?\b(read|fetch|resize|shard|bench) ([^|`]*)", README):
        known = options_of(name)
        for option in re.findall(r"--[a-z][\w-]+", text):
            assert option in known, f"imgpipe {name} has no {option}"


def test_the_changes_begin_with_this_version():
    """The version that is installed is the newest one that the changes tell of."""
    assert __version__ == re.search(r"^### (\S+)$", README.partition("## Changes")[2], re.MULTILINE)[1]


def test_every_command_is_named():
    """Nobody has to guess which commands there are."""
    for name in COMMANDS:
        assert re.search(rf"`(imgpipe )?{name}\b", README), name
