from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A loaded machine is slow now and then; and what lands must not depend on chance.
settings.register_profile("imgpipe", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("imgpipe")


@pytest.fixture(autouse=True)
def spool(tmp_path, monkeypatch):
    """Each test has a spool of its own, in the environment of the processes it starts; its path."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("IMGPIPE_SPOOL", str(folder))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder
