"""What a measurement ran on: the machine, and the versions of everything that took part."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import imgpipe

OURS = ("imgpipe", "trio", "httpx", "httptools", "pillow", "cykooz-resizer")
THEIRS = ("img2dataset", "aiohttp")

VERSIONS = """
import importlib.metadata as metadata, sys
for name in sys.argv[1:]:
    try:
        print(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        pass
"""


def described(peers: str) -> dict[str, Any]:
    """Machine, versions and date.

    Args:
        peers: The interpreter that has the peers; empty where there is none.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}",
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "memory_gb": round(memory / 1e9),
            "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        },
        "versions": {**_ours(), **_theirs(peers)},
        "source": _source(),
    }


def _source() -> str:
    """A digest of imgpipe's code: its version does not change with every line."""
    found = hashlib.sha256()
    for path in sorted(Path(imgpipe.__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _ours() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in OURS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _theirs(peers: str) -> dict[str, str]:
    found = {}
    if peers:
        told = subprocess.run([peers, "-c", VERSIONS, *THEIRS], capture_output=True, text=True, check=False)
        if told.returncode or not told.stdout:
            raise SystemExit(f"{peers} is no interpreter that has {' or '.join(THEIRS)}")
        found = dict(line.split() for line in told.stdout.splitlines())
    if shutil.which("curl"):
        told = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
        found["curl"] = told.stdout.split()[1]
    return found
