from __future__ import annotations

import hashlib

import httpx
import pytest
import trio

from imgpipe.bench.server import serve
from imgpipe.errors import Kind, RecordError
from imgpipe.fetch.httpx_seam import TrioTransport
from imgpipe.fetch.network import Shared, open_transport
from imgpipe.fetch.options import FetchOptions


def ours(**options) -> TrioTransport:
    return TrioTransport(open_transport(Shared(FetchOptions(**options)), jobs=1, environment={}))


def test_httpx_gets_the_same_over_our_transport_as_over_its_own():
    """A client of httpx gets the same status, headers and bytes whichever transport it has."""

    async def ask(transport, url):
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            answers = [await client.get(url + path) for path in ("/size/5000", "/status/404", "/size/70000")]
        return [(answer.status_code, hashlib.sha256(answer.content).digest()) for answer in answers]

    with serve() as url:
        expected = trio.run(ask, httpx.AsyncHTTPTransport(), url)

        assert trio.run(ask, ours(allow_private=True), url) == expected


def test_httpx_is_told_of_a_blocked_address():
    """The address rule holds for a client of httpx too."""

    async def ask():
        async with httpx.AsyncClient(transport=ours(), trust_env=False) as client:
            await client.get("http://127.0.0.1:1/")

    with pytest.raises(RecordError) as caught:
        trio.run(ask)
    assert caught.value.kind is Kind.BLOCKED_ADDRESS
