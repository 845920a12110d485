"""The scripts of imgpipe-cluster(7), as they stand in its source."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "man" / "imgpipe-cluster.7"

_DISPLAY = re.compile(
    r'^\.\\" script: (\S+)\n\.Bd -literal -offset indent\n(.*?)^\.Ed$', re.MULTILINE | re.DOTALL
)

_ESCAPES = {r"\e": "\\", r"\&": ""}
"""What the page writes for a backslash, and before a line that begins with a dot (mandoc_char(7))."""


def _as_shown(source: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES[found[0]], source)


SCRIPTS = {name: _as_shown(text) for name, text in _DISPLAY.findall(PAGE.read_text())}
"""Each script of the page by its name."""


def write_scripts(folder: Path) -> None:
    """Save all of them in `folder`, as a reader would."""
    for name, text in SCRIPTS.items():
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)
