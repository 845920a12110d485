"""robots.txt, asked for once an origin and obeyed."""

from __future__ import annotations

import pytest
from fetch.hostile import Hostile, Peer, answer, good
from helpers import run_filter
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.fetch.optout import ROBOT
from imgpipe.fetch.robots import TTL, Rules

pytest.importorskip("protego", reason="needs the extra robots")

ORIGIN = ("http", "a.example", 80)
NO = b"User-agent: *\nDisallow: /no\n"


def text(body: bytes, *headers: str) -> bytes:
    return answer("200 OK", "Content-Type: text/plain", *headers, body=body)


def flood(peer: Peer) -> None:
    peer.send(answer(body=NO, length=None))
    peer.flood(b"# nothing\n" * 1000)


SITES = {
    # Whether /no and /yes may be fetched; None where nothing is decided.
    "plain": (text(NO), (False, True)),
    "crlf": (text(NO.replace(b"\n", b"\r\n")), (False, True)),
    "bom": (text(b"\xef\xbb\xbf" + NO), (False, True)),
    "ours": (text(b"User-agent: imgpipe\nDisallow: /\n\nUser-agent: *\nAllow: /\n"), (False, False)),
    "others": (text(b"User-agent: googlebot\nDisallow: /\n"), (True, True)),
    "longest": (text(b"User-agent: *\nDisallow: /\nAllow: /yes\n"), (False, True)),
    "empty": (text(b""), (True, True)),
    "garbage": (text(bytes(range(256)) * 9), (True, True)),
    "html": (text(b"<html>not a robots.txt</html>"), (True, True)),
    "absent": (answer("404 Not Found"), (True, True)),
    "forbidden": (answer("403 Forbidden"), (True, True)),
    "broken": (answer("500 Oops"), ("http_status", "http_status")),
    "busy": (answer("429 Slow"), ("http_status", "http_status")),
    "unreachable": (b"", ("incomplete", "incomplete")),
    "endless": (flood, (False, True)),
    "moved": (answer("301 Moved", "Location: /elsewhere", body=b""), (False, True)),
    "loop": (answer("301 Moved", "Location: /robots.txt", body=b""), (True, True)),
    "away": (answer("301 Moved", "Location: ftp://a/", body=b""), (True, True)),
}


@pytest.mark.parametrize("mode", ["async", "threads"])
def test_what_a_site_says_is_done(mode):
    """Absent is no rule; unreachable is no leave; one request an origin where there is an answer."""

    def robots(peer: Peer):
        act = SITES[peer.request.headers["host"].partition(".")[0]][0]
        if isinstance(act, bytes):
            peer.send(act)
            return False
        return act(peer)

    with Hostile({"robots.txt": robots, "elsewhere": text(NO), "no": good, "yes": good}) as server:
        urls = {
            (name, page): server.url(f"{page}/1", f"{name}.test") for name in SITES for page in ("no", "yes")
        }
        pins = [f"--resolve={name}.test:127.0.0.1" for name in SITES]
        run = run_filter(
            "fetch", "-q", "--robots", "--allow-private", "--retries", 0, "--mode", mode, *pins, lines=urls.values()
        )  # fmt: skip

    assert (run.code, run.err) == (0, "")
    found = {record["url"]: record for record in run.records}
    for (name, page), url in urls.items():
        expected = SITES[name][1][page == "yes"]
        kind = {True: None, False: "opted_out"}.get(expected, expected)
        assert kind == found[url].get("error"), (name, page, found[url])
    asked = [request.headers["host"].partition(".")[0] for request in server.requests("robots.txt")]
    decided = [name for name in SITES if name not in ("broken", "busy", "unreachable", "loop")]
    if mode == "async":
        assert {1} == {asked.count(name) for name in decided}
    assert {"good"}.isdisjoint(server.counts)


def test_robots_are_asked_only_where_asked_for():
    """Neither without `--robots`, nor with `--ignore-opt-out`."""
    with Hostile({"robots.txt": text(NO), "no": good}) as server:
        for options in ([], ["--robots", "--ignore-opt-out"]):
            run = run_filter("fetch", "-q", "--allow-private", *options, lines=[server.url("no")])
            assert [record["status"] for record in run.records] == ["ok"]

    assert server.counts == {"no": 2}


def test_a_redirect_asks_where_it_leads():
    """The rules of the site that has the picture count too."""
    with Hostile({"robots.txt": text(NO), "no": good}) as other:
        away = answer("302 Found", f"Location: {other.url('no')}", body=b"")
        with Hostile({"away": away, "robots.txt": text(b"")}) as server:
            run = run_filter("fetch", "-q", "--allow-private", "--robots", lines=[server.url("away")])

    assert [record["error"] for record in run.records] == ["opted_out"]
    assert other.counts == {"robots.txt": 1}


def test_rules_are_believed_for_a_day():
    """And no more origins are remembered than the bound allows."""
    rules = Rules(size=2)
    rules.put(ORIGIN, NO.decode(), 100.0)

    assert not rules.get(ORIGIN, 100.0 + TTL - 1).can_fetch("http://a.example/no", ROBOT)
    assert None is rules.get(ORIGIN, 100.0 + TTL)
    for port in range(5):
        rules.put(("http", "b", port), "", 0.0)
    assert [rules.get(("http", "b", port), 1.0) and True for port in range(5)] == [
        None,
        None,
        None,
        True,
        True,
    ]


@given(st.text(), st.text())
def test_any_text_is_a_set_of_rules(text, path):
    """Nothing that a site serves breaks the run."""
    rules = Rules().put(ORIGIN, f"User-agent: *\n{text}", 0.0)
    assert rules.can_fetch(f"http://a.example/{path!a}", ROBOT) in (True, False)
