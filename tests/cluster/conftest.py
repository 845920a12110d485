from __future__ import annotations

import os

import pytest
from cluster.places import Place, plain_pipe

from imgpipe.bench.server import serve

URLS = [f"http://host{n % 31}.example.com/photo/{n}.jpg" for n in range(120)]
URLS += [f"http://host{n}.example.com/status/404?{n}" for n in range(0, 30, 3)]


@pytest.fixture(scope="session")
def pictures():
    """The address of a server that takes its time, so that a job can be killed before it is done."""
    with serve(latency=0.5) as address:
        yield address


@pytest.fixture(scope="session")
def plain(tmp_path_factory, pictures):
    """The set as the plain pipe makes it."""
    place = Place(tmp_path_factory.mktemp("plain"), URLS, pictures)
    proxies = {name: os.environ.pop(name) for name in list(os.environ) if name.lower().endswith("_proxy")}
    try:
        plain_pipe(place)
    finally:
        os.environ.update(proxies)
    return place


@pytest.fixture
def place(tmp_path, pictures):
    """Where the scripts of the page run, on the same URLs."""
    return Place(tmp_path, URLS, pictures)


@pytest.fixture
def few_parts(tmp_path, pictures):
    """The same in three parts, where it does not matter how many there are."""
    return Place(tmp_path, URLS, pictures, parts=3)
