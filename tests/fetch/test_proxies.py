"""Requests through a proxy."""

from __future__ import annotations

import inspect
import os
import select
import socket
from contextlib import contextmanager

import httpx
import pytest
import trustme
from fetch.hostile import Hostile, Peer, answer, good, refused
from fetch.test_tls import context
from helpers import run_filter

from imgpipe.errors import STAGE_KINDS, Kind
from imgpipe.fetch import httpx_seam, urls
from imgpipe.fetch.httpx_seam import kind_of
from imgpipe.fetch.proxies import proxy_for, proxy_variables


def exceptions():
    return [
        value
        for value in vars(httpx).values()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
    ]


@pytest.mark.parametrize("exception", exceptions(), ids=lambda exception: exception.__name__)
def test_every_exception_of_httpx_has_a_kind(exception):
    """A new version that brings another one fails here, not in a run."""
    if exception in (httpx.CookieConflict, httpx.HTTPStatusError):
        return  # raised only by what is not used: jars of cookies, raise_for_status()
    error = exception.__new__(exception)
    assert kind_of(error) in STAGE_KINDS["fetch"]
    if not issubclass(exception, httpx.StreamError):
        assert kind_of(error) is not Kind.INTERNAL


def test_what_is_no_exception_of_httpx_is_our_fault():
    """A bug is told as one."""
    assert Kind.INTERNAL is kind_of(ValueError())


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "http://a/", None),
        ({"http_proxy": "http://p:1"}, "http://a/", "http://p:1"),
        ({"http_proxy": "p:1"}, "http://a/", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://a/", None),
        ({"HTTP_PROXY": "http://p:1"}, "http://a/", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://a/", "http://p:1"),
        ({"https_proxy": "http://p:1", "HTTPS_PROXY": "http://q:1"}, "https://a/", "http://p:1"),
        ({"ALL_PROXY": "http://p:1"}, "http://a/", "http://p:1"),
        ({"all_proxy": "http://p:1", "http_proxy": "http://q:1"}, "http://a/", "http://q:1"),
        ({"http_proxy": ""}, "http://a/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "a"}, "http://a/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "a"}, "http://b/", "http://p:1"),
        ({"http_proxy": "http://p:1", "NO_PROXY": "x.example, .b.example"}, "http://a.b.example/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, "http://a/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "a:81"}, "http://a/", "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "a:81"}, "http://a:81/", None),
    ],
)
def test_variables_are_read_as_curl_reads_them(environment, url, proxy):
    """By scheme, in lower case or upper (but for http), with exceptions."""
    assert proxy == proxy_for(urls.parse(url), proxy_variables(environment))


@contextmanager
def tunnels():
    """A proxy: passes plain requests on as far as it can be seen here, and opens tunnels on CONNECT."""

    def serve(peer: Peer):
        return good(peer)

    class Proxy(Hostile):
        def _one(self, peer):
            head = peer.read_head()
            if head is None:
                return False
            self.heads.append(head.decode("latin-1"))
            if not head.startswith(b"CONNECT"):
                peer.send(answer())
                return True
            host, _, port = head.split(b" ")[1].decode().rpartition(":")
            self.tunnelled.append(host)
            with socket.create_connection(("127.0.0.1", int(port))) as other:
                peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                both = {peer.socket: other, other: peer.socket}
                while True:
                    for ready in select.select(list(both), [], [], 5)[0]:
                        data = ready.recv(65_536)
                        if not data:
                            return False
                        both[ready].sendall(data)

    with Proxy({"good": serve}) as proxy:
        proxy.heads, proxy.tunnelled = [], []
        yield proxy


@pytest.mark.parametrize("mode", ["async", "threads", "processes"])
def test_plain_requests_go_through_the_proxy(mode):
    """Named by the option or by a variable; with the name, which is the proxy's to resolve."""
    with tunnels() as proxy, Hostile({"good": good}) as server:
        through = f"http://127.0.0.1:{proxy.port}"
        lines = ["http://nowhere.invalid/good", server.url("good"), "http://10.0.0.1/blocked"]
        named = run_filter(
            "fetch", "-q", "--mode", mode, "-j", 2, "--proxy", through, "--allow-net", "127.0.0.1", "--retries", 0,
            lines=lines,
        )  # fmt: skip

    found = {record["url"]: record.get("error") for record in named.records}
    assert {lines[0]: None, lines[1]: None, lines[2]: "blocked_address"} == found
    assert server.seen == []
    assert sorted(f"GET {url} HTTP/1.1" for url in lines[:2]) == sorted(
        head.split("\r\n")[0] for head in proxy.heads
    )


def test_variables_and_their_exceptions():
    """`http_proxy` is used, and `no_proxy` goes past it."""
    with tunnels() as proxy, Hostile({"good": good}) as server:
        env = {"http_proxy": f"127.0.0.1:{proxy.port}", "no_proxy": "127.0.0.1"}
        lines = ["http://nowhere.invalid/good", server.url("good")]
        run = run_filter("fetch", "-q", "--allow-private", "--retries", 0, lines=lines, env=env)

    assert {"ok"} == {record["status"] for record in run.records}
    assert 1 == len(server.seen) == len(proxy.heads)


def test_tls_goes_through_a_tunnel(tmp_path):
    """The certificate is the server's, and is checked against its name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = context(authority.issue_cert("a.test"))
    with tunnels() as proxy, Hostile({"good": good}, tls) as server:
        lines = [server.url("good", host) for host in ("a.test", "b.test")]
        env = {
            "HTTPS_PROXY": f"http://me:secret@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(tmp_path / "ca.pem"),
        }
        run = run_filter("fetch", "-q", "--allow-private", "--retries", 0, lines=lines, env=env)

    assert {lines[0]: None, lines[1]: "tls"} == {record["url"]: record.get("error") for record in run.records}
    assert sorted(proxy.tunnelled) == ["a.test", "b.test"]
    assert all("Proxy-Authorization: Basic" in head for head in proxy.heads)
    assert "secret" not in run.err + run.out.decode()


FAULTS = {
    "hangs": ("timeout", lambda peer: peer.stall()),
    "garbage": ("protocol", b"\x00\x01garbage\r\n\r\n"),
    "cut": ("incomplete", answer(length=9999)),
    "gone": ("http_status", answer("404 Not Found")),
    "big": ("too_large", answer(body=bytes(300_000))),
    "closes": ("protocol", b""),
}


def test_faults_behind_a_proxy_have_kinds(spool):
    """The same closed list, within the deadline, and no file is left."""
    with Hostile({name: act for name, (_, act) in FAULTS.items()}) as proxy:
        lines = [f"http://{name}.invalid/{name}" for name in FAULTS]
        run = run_filter(
            "fetch", "-q", "--proxy", f"http://127.0.0.1:{proxy.port}", "--retries", 0, "--timeout", 2,
            "--max-bytes", "200k", lines=lines,
        )  # fmt: skip

    found = {record["url"].rpartition("/")[2]: record["error"] for record in run.records}
    expected = {name: kind for name, (kind, _) in FAULTS.items()}
    assert {**expected, "cut": found["cut"]} == found
    assert found["cut"] in ("incomplete", "protocol")
    assert not [name for _, _, names in os.walk(spool) for name in names]


def test_a_proxy_that_is_not_there():
    """The records fail as `connect`; a proxy that cannot be one ends the run."""
    with refused() as sock:
        port = sock.getsockname()[1]
        dead = run_filter(
            "fetch", "-q", "--proxy", f"http://127.0.0.1:{port}", "--retries", 0, "http://a.invalid/"
        )
    assert [record["error"] for record in dead.records] == ["connect"]

    for wrong in ("gopher://127.0.0.1/", "http://[::1"):
        run = run_filter("fetch", "-q", "--proxy", wrong, "http://a.invalid/")
        assert run.code == 2
        assert "proxy" in run.err
        assert "Traceback" not in run.err


def test_the_table_names_only_what_there_is():
    """Every entry is an exception of httpx."""
    assert set(httpx_seam.KINDS) <= set(exceptions())
