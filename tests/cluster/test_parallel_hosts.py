from __future__ import annotations

import shutil
import sys

import pytest
from cluster.many_hosts import ManyHosts
from helpers import shell

pytestmark = [
    pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed"),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8"),
]

PARTS = 8

JOBS = f"""
    imgpipe read -q --parts {PARTS} --part-by $BY --into in urls.txt
    ls in | parallel --jobs {PARTS} '
        imgpipe fetch -q --allow-private --header "X-Part: {{.}}" --resume out --part {{.}} < in/{{}} |
            imgpipe shard -q out --format tar --part {{.}} --input in/{{}}'
    imgpipe verify out --parts {PARTS}
"""


def download(folder, hosts: int, each: int, by: str) -> ManyHosts:
    """All parts at once, from that many hosts; the server with its log."""
    server = ManyHosts([f"127.{n // 250 + 1}.{n % 250 + 1}.1" for n in range(hosts)])
    # In the order of a table in which the images of a host are far apart.
    urls = [f"http://{host}:{server.port}/{n}.jpg" for n in range(each) for host in server.hosts]
    (folder / "urls.txt").write_text("".join(f"{url}\n" for url in urls))
    with server.at_work():
        result = shell(JOBS, cwd=folder, env={"BY": by})
    assert (result.code, result.out) == (0, b""), result.err
    assert len(server.asked) == len(urls)
    assert {part for _, part, _, _ in server.asked} == {f"{n:05d}" for n in range(PARTS)}
    return server


def test_no_host_is_asked_by_two_parts(tmp_path):
    """2,000 hosts, all parts at once: each host is asked by one part alone."""
    server = download(tmp_path, 2000, 2, "host")

    assert len({host for host, _, _, _ in server.asked}) == 2000
    assert len({(host, part) for host, part, _, _ in server.asked}) == 2000
    assert server.asked_by_two_at_once() == set()


def test_parts_by_line_ask_as_if_alone(tmp_path):
    """What the other rule is for: divided by lines, several parts ask a host at once, and the log shows it."""
    server = download(tmp_path, 10, 80, "line")

    assert server.asked_by_two_at_once()
