from __future__ import annotations

import shutil

import pytest
from helpers import run_filter, shell


def completions(words: str) -> list[str]:
    """What bash offers after `words`, through `eval`."""
    result = shell(
        'eval "$(imgpipe completion bash)"\n'
        f"COMP_WORDS=({words})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "_imgpipe_completion imgpipe\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert result.err == ""
    return result.out.decode().split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("imgpipe fe", ["fetch"]),
        ("imgpipe fetch --mode ''", ["async", "threads", "processes", "loop"]),
        ("imgpipe shard --name-f", ["--name-format"]),
        ("imgpipe help ''", []),
    ],
)
def test_bash_completes(words, expected):
    """Commands, options and choices are completed after one `eval`."""
    assert expected == completions(words)


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_other_shells_take_their_scripts(name):
    """Each shell gets a script of its own, and parses it where it is here."""
    script = run_filter("completion", name).out

    assert b"_IMGPIPE_COMPLETE" in script
    if shutil.which(name):
        assert shell(f"{name} -n", stdin=script).code == 0
