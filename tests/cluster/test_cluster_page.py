from __future__ import annotations

import shutil
import subprocess
import textwrap

import pytest
from cluster.page import PAGE, SCRIPTS, write_scripts


def test_the_page_has_its_scripts():
    """None is lost where a mark is mistyped: each display that is a script is marked, and names itself."""
    assert PAGE.read_text().count("\n#!/bin/bash\n") == len(SCRIPTS)
    for name, text in SCRIPTS.items():
        assert text.startswith("#!/bin/bash\n")
        if name.endswith(".sh"):
            assert f"\n# {name}" in text


@pytest.mark.parametrize("reader", ["mandoc -T utf8", "man -l"])
def test_what_a_reader_copies_is_what_runs(reader):
    """Each script stands in the formatted page to the letter, below its indent."""
    command = reader.split()
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(
        [*command, PAGE],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "78", "PAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
    )
    for name, text in SCRIPTS.items():
        assert any(textwrap.indent(text, " " * width) in done.stdout for width in range(5, 15)), name


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_sound(tmp_path):
    """Shellcheck has nothing to say against them, but that two stages name one file (both only read it)."""
    write_scripts(tmp_path)
    command = ["shellcheck", "--exclude", "SC2094", *SCRIPTS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
