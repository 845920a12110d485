"""Which addresses may be connected to, as a table and end to end."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from fetch.hostile import Hostile, good
from helpers import run_filter
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.fetch.addresses import is_allowed, is_public

# The table of imgproxy's privatenet_test.go, with what its changelog tells was forgotten at first.
NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::2",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff:ffff::1",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "ff00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "::10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:a9fe:a9fe::",
    "2002:c0a8:101::1",
    "fe80::5efe:10.0.0.1",
    "2600::5efe:10.0.0.1",
    "2600::200:5efe:127.0.0.1",
    "2600::5efe:192.168.1.1",
]

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:831::200e",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "::8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::",
    "2600::5efe:8.8.8.8",
    "2600::200:5efe:8.8.8.8",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public(address):
    """Special-purpose addresses, and IPv4 ones of that kind in any IPv6 dress, are not public."""
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public(address):
    """Their neighbours are."""
    assert is_public(address)


@given(st.ip_addresses())
def test_what_the_standard_library_calls_private_is_not_public(address):
    """The rule is at least as strict as the registries that the standard library knows."""
    # Newer versions call all of 6to4 private; here the address inside decides, as the next test holds.
    address = getattr(address, "sixtofour", None) or address
    # 192.0.0.9 and 192.0.0.10 are anycast relays in the registry's exception list.
    if not address.is_global and not str(address).startswith("192.0.0."):
        assert not is_public(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_in_another_dress_is_the_same_address(inner):
    """Mapped, translated, tunnelled: what counts is who is reached."""
    number = int(inner)
    dresses = [
        0xFFFF << 32 | number,
        0x64FF9B << 96 | number,
        0x2002 << 112 | number << 80,
        0x2600 << 112 | 0x5EFE << 32 | number,
    ]
    assert {is_public(str(inner))} == {is_public(str(ip_address(dress))) for dress in dresses}


def test_allowed_networks_are_opened_one_by_one():
    """What the user allowed may be reached, its neighbour not; versions do not mix."""
    allowed = (ip_network("127.0.0.1/32"), ip_network("fd00::/8"))

    verdicts = {
        address: is_allowed(address, allowed)
        for address in ("8.8.8.8", "127.0.0.1", "127.0.0.2", "fd00::1", "fc00::1", "fd00::1%lo")
    }

    assert verdicts == {
        "8.8.8.8": True, "127.0.0.1": True, "127.0.0.2": False, "fd00::1": True, "fc00::1": False, "fd00::1%lo": True,
    }  # fmt: skip


ODD_FORMS = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f.1", "0x7f000001", "017700000001", "0177.0.0.1",
    "[::ffff:127.0.0.1]", "[::127.0.0.1]", "[::1]", "[0:0:0:0:0:0:0:1]", "0", "0.0.0.0", "[::]", "localhost",
    "LOCALHOST.", "127.0.0.1.", "①②⑦.0.0.1",
)  # fmt: skip


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_nothing_leads_to_this_machine(mode):
    """However it is written, by name, in a redirect or pinned by hand: no connection is made."""
    with Hostile({"good": good}) as inside:
        there = inside.url("good")
        target = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %b\r\n\r\n" % there.encode()
        with Hostile({"in": target}, address="127.0.0.9") as outside:
            urls = [inside.url("good", host) for host in ODD_FORMS]
            urls += [inside.url("good", "pinned.test"), outside.url("in")]
            run = run_filter(
                "fetch", "-q", "--mode", mode, "--allow-net", "127.0.0.9/32", "--retries", 0, "--timeout", 5,
                "--resolve", "pinned.test:127.0.0.1", lines=urls,
            )  # fmt: skip

        assert len(outside.seen) == 1
        assert inside.connections == 0
    assert dict.fromkeys(urls, "blocked_address") == {
        record["url"]: record["error"].replace("dns", "blocked_address") for record in run.records
    }
    by_url = {record["url"]: record["error"] for record in run.records}
    assert "dns" not in [
        by_url[inside.url("good", host)] for host in ("127.1", "2130706433", "0x7f.1", "017700000001")
    ]


def test_allow_net_opens_one_network_and_allow_private_all():
    """What is meant is opened; a name with one address outside is refused as a whole."""
    with Hostile({"good": good}) as one, Hostile({"good": good}, address="127.0.0.9") as other:
        urls = [one.url("good"), other.url("good"), one.url("good", "both.test")]
        pins = ["--resolve", "both.test:127.0.0.1", "--resolve", "both.test:127.0.0.9"]

        some = run_filter("fetch", "-q", "--allow-net", "127.0.0.1/32", *pins, lines=urls)
        every = run_filter("fetch", "-q", "--allow-private", *pins, lines=urls)

    assert [{r["url"]: r.get("error") for r in some.records}[url] for url in urls] == [
        None,
        "blocked_address",
        "blocked_address",
    ]
    assert {"ok"} == {record["status"] for record in every.records}
