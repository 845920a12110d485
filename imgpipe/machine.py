"""What this machine gives to a process."""

from __future__ import annotations

import os


def cores() -> int:
    """The processors that this process may use."""
    # macOS does not pin processes.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
