from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from helpers import run_filter
from PIL import features

from imgpipe import __version__
from imgpipe.cli import version


def test_the_version():
    """The first line is the version alone, the same from every entrance."""
    first = f"imgpipe {__version__}\n".encode()
    shown = run_filter("--version").out

    assert shown.startswith(first)
    assert run_filter("--version", "clean").out == shown
    done = subprocess.run([sys.executable, "-m", "imgpipe", "--version"], capture_output=True, check=True)
    assert done.stdout == shown


def test_what_decides_the_speed_is_named():
    """Each line has a name and a value; Pillow's are as Pillow tells them."""
    found = dict(line.split(": ", 1) for line in version.lines()[1:])

    assert list(found) == ["fast", "pillow", "httptools", "parquet", "python"]
    assert found["pillow"].startswith(features.version("pil"))
    turbo = features.version("libjpeg_turbo")
    assert (f"(libjpeg-turbo {turbo})" in found["pillow"]) is (turbo is not None)
    assert re.fullmatch(r"[\d.]+", found["httptools"])
    assert "{}.{}.{}".format(*sys.version_info) in found["python"]


def test_the_instructions_are_those_that_the_resizer_uses():
    """AVX2 and its like are told as the library itself finds them."""
    cykooz = pytest.importorskip("cykooz_resizer", reason="the extra fast is not installed")

    used = str(cykooz.Resizer().cpu_extensions).rpartition(".")[2]
    assert version._simd() == {"sse4_1": "sse4.1"}.get(used, used)
    assert re.fullmatch(rf"fast: cykooz-resizer [\d.]+ \({used.replace('_', '.')}\)", version.lines()[1])


def test_a_processor_that_cannot_be_asked_is_not_named(monkeypatch):
    """As where there is no /proc; but every ARM of 64 bits has NEON."""

    def refuse(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", refuse)
    for machine, simd in (("x86_64", None), ("arm64", "neon")):
        monkeypatch.setattr(
            os, "uname", lambda name=machine: os.uname_result(("Darwin", "h", "r", "v", name))
        )
        assert version._simd() == simd


def test_what_is_not_installed_is_told(tmp_path, monkeypatch):
    """Without the extras, and with folders on the path that are not there or hold other things; of two that hold
    a library it is the first, be it the working directory, that Python takes."""
    (tmp_path / "Pillow-1.2.dist-info").mkdir()
    (tmp_path / "pillow").mkdir()
    (tmp_path / "later" / "pillow-0.9.dist-info").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "none"), "", str(tmp_path / "later")])
    monkeypatch.delitem(sys.modules, "PIL", raising=False)
    monkeypatch.setitem(sys.modules, "PIL._imaging", None)

    lines = version.lines()

    assert lines[1:5] == [
        "fast: not installed (Pillow resizes)",
        "pillow: 1.2",
        "httptools: not found",
        "parquet: not installed",
    ]
