"""TLS as it goes wrong, with certificates made for the test."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from fetch.hostile import Hostile, Peer, answer, good
from helpers import run_filter


def speaks_http(peer: Peer) -> None:
    """As a web server answers a TLS hello on its plain port."""
    peer.socket.recv(65_536)
    peer.send(answer("400 Bad Request", body=b"plain HTTP"))


class Listener(Hostile):
    """A server that does something else than TLS with each connection that it accepts."""

    def __init__(self, act):
        self.act = act
        super().__init__({})

    def _one(self, peer):
        return self.act(peer)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority, tmp_path_factory):
    """The environment in which the authority is trusted."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return {"SSL_CERT_FILE": str(path)}


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


@pytest.fixture(scope="module")
def servers(authority):
    """Servers by what is wrong with them."""
    past = datetime.now(UTC) - timedelta(days=2)
    contexts = {
        "right": context(authority.issue_cert("a.test", "127.0.0.1")),
        "expired": context(authority.issue_cert("a.test", not_after=past)),
        "wrong-host": context(authority.issue_cert("b.test")),
        "unknown": context(trustme.CA().issue_cert("a.test")),
    }
    pages = {"good": good, "down": answer("302 Found", "Location: http://a.test:{plain}/good")}
    with contextlib.ExitStack() as stack:
        made = {name: stack.enter_context(Hostile(dict(pages), tls)) for name, tls in contexts.items()}
        made["plain"] = stack.enter_context(Hostile(dict(pages)))
        made["speaks-http"] = stack.enter_context(Listener(speaks_http))
        made["stalls"] = stack.enter_context(Listener(Peer.stall))
        made["hangs-up"] = stack.enter_context(Listener(lambda peer: peer.socket.recv(9) and None))
        made["resets"] = stack.enter_context(Listener(lambda peer: peer.socket.recv(9) and peer.reset()))
        to_plain = made["plain"].url("good", "a.test")
        made["right"].faults["down"] = answer("302 Found", f"Location: {to_plain}", body=b"")
        made["plain"].faults["up"] = answer(
            "302 Found", f"Location: {made['right'].url('good', 'a.test')}", body=b""
        )
        yield made


def fetch(urls, env, *options):
    """Records by URL."""
    run = run_filter(
        "fetch", "-q", "--allow-private", "--resolve", "a.test:127.0.0.1", "--retries", 0, "--timeout", 3,
        "--connect-timeout", 1, *options, lines=urls, env=env,
    )  # fmt: skip
    assert (run.code, run.err) == (0, "")
    return {record["url"]: record for record in run.records}


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_each_fault_of_tls_has_its_kind(servers, trusted, mode):
    """A wrong certificate is `tls`, for good; a peer that does not answer or hangs up may do better later."""
    expected = {
        "right": None,
        "expired": ("tls", False),
        "wrong-host": ("tls", False),
        "unknown": ("tls", False),
        "speaks-http": ("tls", False),
        "stalls": ("timeout", True),
        "hangs-up": ("connect", True),
        "resets": ("connect", True),
    }
    urls = {name: servers[name].url("good", "a.test", "https") for name in expected}

    records = fetch(urls.values(), trusted, "--mode", mode)

    found = {name: records[url] for name, url in urls.items()}
    assert expected == {
        name: (r["error"], r["retryable"]) if "error" in r else None for name, r in found.items()
    }
    assert all(record["seconds"] < 3 for record in found.values())


def test_insecure_takes_any_certificate(servers, trusted):
    """`--insecure` is asked for, and then certificates are not looked at."""
    urls = [servers[name].url("good", "a.test") for name in ("right", "expired", "wrong-host", "unknown")]

    records = fetch(urls, trusted, "--insecure")

    assert {"ok"} == {record["status"] for record in records.values()}


def test_without_the_authority_nothing_is_trusted(servers):
    """What is trusted comes from the system."""
    url = servers["right"].url("good", "a.test")

    assert fetch([url], {})[url]["error"] == "tls"


def test_redirects_cross_between_http_and_https(servers, trusted):
    """Both ways; where it ended is told."""
    up, down = servers["plain"].url("up", "a.test"), servers["right"].url("down", "a.test")

    records = fetch([up, down], trusted)

    assert servers["right"].url("good", "a.test") == records[up]["final_url"]
    assert servers["plain"].url("good", "a.test") == records[down]["final_url"]


def test_a_connection_is_greeted_once(servers, trusted):
    """Requests after the first take the same connection, by name and by address."""
    before = servers["right"].connections
    urls = [servers["right"].url(f"good/{n}", "127.0.0.1") for n in range(4)]

    records = fetch(urls, trusted, "-j", 1)

    assert {"ok"} == {record["status"] for record in records.values()}
    assert servers["right"].connections - before == 1
