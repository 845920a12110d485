from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from helpers import run_filter, shell

ROOT = Path(__file__).parents[2]
FILES = ROOT / "imgpipe/cli/completions"
EVAL = 'eval "$(imgpipe completion bash)"'


def completions(words: str, load: str) -> list[str]:
    """What bash offers after `words`, once it has loaded the script."""
    result = shell(
        f"{load}\n"
        f"COMP_WORDS=({words})\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
        "_imgpipe_completion imgpipe\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    assert result.err == ""
    return result.out.decode().split()


@pytest.mark.parametrize("load", [EVAL, f". {FILES}/imgpipe.bash"], ids=["eval", "file"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("imgpipe fe", ["fetch"]),
        ("imgpipe fetch --mode ''", ["async", "threads", "processes", "loop"]),
        ("imgpipe shard --name-f", ["--name-format"]),
        ("imgpipe help ''", []),
    ],
)
def test_bash_completes(words, expected, load):
    """Commands, options and choices are completed after one `eval`, or by the file that is installed."""
    assert expected == completions(words, load)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
@pytest.mark.parametrize("load", ["imgpipe completion fish | source", f"source {FILES}/imgpipe.fish"])
def test_fish_completes(load, tmp_path):
    """As bash does, an option with its whole description."""
    line = f"{load}; complete --do-complete 'imgpipe shard --qu'; complete --do-complete 'imgpipe fe'"

    result = shell(f'fish -c "{line}"', env={"HOME": str(tmp_path)})

    option, command = result.out.decode().splitlines()
    assert option == "--quiet\tNo progress, no summary, no hints."
    assert command.split()[0] == "fetch"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_finds_the_file(tmp_path):
    """A file of this name in its path of functions is taken for `imgpipe`, and can be loaded."""
    script = f"fpath=({FILES} $fpath); autoload -Uz compinit; compinit -u -D; autoload +X _imgpipe; print $_comps[imgpipe]"

    result = shell(f"zsh -f -c '{script}'", env={"HOME": str(tmp_path)})

    assert (result.out.decode(), result.err) == ("_imgpipe\n", "")


def test_the_wheel_installs_a_file_for_each_shell():
    """Where the shells look for them."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    places = {
        name: to for name, to in data["shared-data"].items() if name.startswith("imgpipe/cli/completions/")
    }
    assert set(places) == {f"imgpipe/cli/completions/{path.name}" for path in FILES.iterdir()}
    assert set(places.values()) == {
        "share/bash-completion/completions/imgpipe",
        "share/fish/vendor_completions.d/imgpipe.fish",
        "share/zsh/site-functions/_imgpipe",
    }


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_other_shells_take_their_scripts(name):
    """Each shell gets a script of its own, and parses it where it is here."""
    script = run_filter("completion", name).out

    assert b"_IMGPIPE_COMPLETE" in script
    if shutil.which(name):
        assert shell(f"{name} -n", stdin=script).code == 0
