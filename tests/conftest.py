from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def spool(tmp_path, monkeypatch):
    """Each test has a spool of its own, in the environment of the processes it starts; its path."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("IMGPIPE_SPOOL", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder
