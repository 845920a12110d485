"""The environment of commands that talk to the embedded server."""

from __future__ import annotations

import os


def without_proxy() -> dict[str, str]:
    """The environment, changed so that no proxy is asked for what is on this machine."""
    found = dict(os.environ)
    for name in ("no_proxy", "NO_PROXY"):
        others = found.get(name) or found.get(name.swapcase())
        found[name] = f"{others},127.0.0.1" if others else "127.0.0.1"
    return found
