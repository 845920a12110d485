from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest

from imgpipe import errors, records
from imgpipe.cli.app import COMMANDS, imgpipe
from imgpipe.errors import STAGE_KINDS, Kind

ROOT = Path(__file__).parents[1]
MAN = ROOT / "man"
PAGES = sorted(MAN.glob("*.[1-8]"))


def command_of(name: str) -> click.Command:
    return importlib.import_module(f"imgpipe.cli.{name}").command if name else imgpipe


def section(page: str, title: str) -> str:
    """The source of one section."""
    found = re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1]


def options_of_page(name: str) -> dict[str, tuple[frozenset[str], str | None]]:
    """Each option of a page by its long name: all its names, and its default where it tells one."""
    page = (MAN / (f"imgpipe-{name}.1" if name else "imgpipe.1")).read_text()
    found = {}
    for item in re.split(r"^\.It ", section(page, "OPTIONS"), flags=re.MULTILINE)[1:]:
        head, _, text = item.partition("\n")
        names = frozenset(f"-{name}" for name in re.findall(r"Fl (-?[\w-]+)", head))
        default = re.search(r"^The default is (.+?)\.$", text, re.MULTILINE)
        long = max(names, key=len)
        assert long not in found, f"{long} stands twice"
        found[long] = (names, default[1] if default else None)
    return found


def options_of_click(name: str) -> dict[str, tuple[frozenset[str], str | None]]:
    """The same, as click knows it."""
    command = command_of(name)
    context = click.Context(command, info_name=name, help_option_names=["-h", "--help"])
    found = {}
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            names = frozenset([*parameter.opts, *parameter.secondary_opts])
            shown = parameter.default if parameter.show_default is True else None
            found[max(names, key=len)] = (names, None if shown is None else str(shown))
    return found


def test_the_first_page_names_every_command():
    """imgpipe(1) lists each command, in the order of --help, and leads to its page."""
    listed = re.findall(
        r"^\.It Cm ([\w-]+)\n(?:.*\n)*?\.Xr imgpipe-([\w-]+) 1 \.$",
        section((MAN / "imgpipe.1").read_text(), "DESCRIPTION"),
        re.MULTILINE,
    )
    assert listed == [(name, name) for name in COMMANDS]


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_pages_and_commands_have_the_same_options(name):
    """Each option is in the page and in click, with the same names and the same default."""
    assert options_of_click(name) == options_of_page(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_has_its_sections(name):
    """Whoever knows one page finds their way in all."""
    page = (MAN / f"imgpipe-{name}.1").read_text()

    titles = re.findall(r"^\.Sh (.+)$", page, re.MULTILINE)
    wanted = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]
    assert wanted == [title for title in titles if title in wanted]
    assert f".Dt IMGPIPE-{name.upper()} 1\n" in page


def test_the_overview_names_every_command():
    """A command that is not in imgpipe(1) would not be found."""
    page = (MAN / "imgpipe.1").read_text()

    for name in COMMANDS:
        assert f".Xr imgpipe-{name} 1" in page


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="mandoc is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_are_sound(page):
    """Mandoc has nothing to say against a page."""
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_headings_are_no_macros():
    """A heading that begins with the name of a macro, such as In, would be one, unless escaped."""
    for page in PAGES:
        found = re.findall(r"^\.S[hs] ([A-Z][a-z])(?= |$)", page.read_text(), re.MULTILINE)
        assert not set(found) & {"An", "Ar", "At", "In", "It", "No", "St"}


def test_references_lead_somewhere():
    """A page of ours that another one names is there."""
    for page in PAGES:
        for name, number in re.findall(r"^\.Xr (imgpipe[\w-]*) (\d)", page.read_text(), re.MULTILINE):
            assert (MAN / f"{name}.{number}").exists(), f"{page.name} refers to {name}({number})"


def test_the_wheel_installs_every_page():
    """A page that the metadata forgot would be in the repository only."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]

    expected = {f"man/{page.name}": f"share/man/man{page.suffix[1]}/{page.name}" for page in PAGES}
    assert expected == {name: to for name, to in data["shared-data"].items() if name.startswith("man/")}


def test_the_record_page_lists_every_kind():
    """The table of imgpipe-record(5) is the closed list, with stage, status and whether it may pass."""
    page = section((MAN / "imgpipe-record.5").read_text(), "KINDS OF ERROR")

    rows = re.findall(r"^\.It Cm (\w+) Ta (.+) Ta (\w+) Ta (.+)$", page, re.MULTILINE)
    assert [row_of(kind) for kind in Kind] == rows
    explained = re.findall(r"^\.It Cm (\w+)$", page, re.MULTILINE)
    assert [kind.value for kind in Kind] == explained


def row_of(kind: Kind) -> tuple[str, str, str, str]:
    stages = [stage for stage in STAGE_KINDS if kind in STAGE_KINDS[stage]]
    passing = [errors.retryable(kind, stage) for stage in stages]
    retryable = "no" if not any(passing) else "yes" if all(passing) else "in fetch"
    if kind is Kind.HTTP_STATUS:
        retryable = "by status"
    where = "any" if len(stages) == len(STAGE_KINDS) else ", ".join(stages)
    return (kind.value, where, kind.status.value, retryable)


def test_the_record_page_lists_every_field():
    """Every field that a stage sets is explained, and no other is said to be one."""
    page = section((MAN / "imgpipe-record.5").read_text(), "FIELDS").partition(".Ss Of the stages")[2]

    items = re.findall(r"^\.It Cm (.+)$", page, re.MULTILINE)
    assert ["seq", *records.STAGE_FIELDS] == [name for item in items for name in item.split(" , ")]
