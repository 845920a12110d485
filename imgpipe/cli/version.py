"""`imgpipe --version`: the version, and the libraries that decide how fast imgpipe is here.

Scripts ask for it often, so nothing heavy is imported: `importlib.metadata` alone would take longer than
Python's own start (measured: 30 ms beside 10).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Final

from imgpipe import __version__

_SUFFIX: Final = ".dist-info"

_FLAGS_READ: Final = 1 << 13
"""Bytes of /proc/cpuinfo that hold what the first processor can; the file has as much for each."""


def lines() -> list[str]:
    """What `imgpipe --version` writes; the first line is the version alone, for scripts."""
    found = _installed({"cykooz_resizer", "pillow", "httptools", "pyarrow"})
    fast = found.get("cykooz_resizer")
    simd = _simd()
    turbo = _libjpeg_turbo()
    pyarrow = found.get("pyarrow")
    return [
        f"imgpipe {__version__}",
        f"fast: cykooz-resizer {fast}" + (f" ({simd})" if simd else "")
        if fast
        else "fast: not installed (Pillow resizes)",
        f"pillow: {found.get('pillow', 'not found')}" + (f" (libjpeg-turbo {turbo})" if turbo else ""),
        f"httptools: {found.get('httptools', 'not found')}",
        f"parquet: pyarrow {pyarrow}" if pyarrow else "parquet: not installed",
        f"python: {sys.implementation.name} {'.'.join(map(str, sys.version_info[:3]))} ({_machine()})",
    ]


def _installed(names: Iterable[str]) -> dict[str, str]:
    """The versions of those of these packages that are installed, from the names of their metadata.

    A folder `NAME-VERSION.dist-info` stands beside each package, both parts escaped so that the hyphen
    divides them (the packaging specification of recorded projects).
    """
    wanted = set(names)
    found: dict[str, str] = {}
    for folder in sys.path:
        try:
            entries = os.listdir(folder or ".")
        except OSError:
            continue
        for entry in entries:
            if entry.endswith(_SUFFIX):
                name, _, version = entry.removesuffix(_SUFFIX).partition("-")
                if (name := name.lower()) in wanted:
                    found.setdefault(name, version)
    return found


def _machine() -> str:
    uname = os.uname()
    return f"{uname.sysname} {uname.machine}"


def _simd() -> str | None:
    """The instructions that cykooz-resizer uses on this processor; None where it cannot be told cheaply."""
    machine = os.uname().machine
    if machine in ("aarch64", "arm64"):
        return "neon"  # every such processor has it
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            text = file.read(_FLAGS_READ)
    except OSError:
        return None
    flags = text.partition(b"\nflags")[2].partition(b"\n")[0].split()
    return "avx2" if b"avx2" in flags else "sse4.1" if b"sse4_1" in flags else None


def _libjpeg_turbo() -> str | None:
    """The version of libjpeg-turbo that Pillow decodes with; None where it has another library, or is broken."""
    try:
        # Not PIL.features, which would load all of Pillow: this takes 2 ms.
        from PIL import _imaging  # noqa: PLC0415 - what is broken must not keep the version from being told
    except ImportError:
        return None
    found = getattr(_imaging, "libjpeg_turbo_version", None)
    return found if isinstance(found, str) else None
