from __future__ import annotations

import json
from pathlib import Path

import pytest
from cluster.page import write_scripts
from helpers import shell

BIG = ["cdn.one.example", "img.two.example"]


@pytest.fixture
def cut(tmp_path) -> dict[str, list[str]]:
    """The URLs of each part, by its name, where two large hosts were taken apart."""
    hosts = [*BIG, "small.example", "other.example", "xcdn.one.example"]
    urls = [f"http{'s' * (number % 2)}://{hosts[number % 5]}/{number}.jpg" for number in range(100)]
    (tmp_path / "urls.txt").write_text("\n".join([*urls, "no url"]))
    write_scripts(tmp_path)
    env = {"URLS": "urls.txt", "IN": "in", "N": "4"}
    result = shell(f"./apart.sh 3 {' '.join(BIG)} && ls in/[0-9]*", env=env, cwd=tmp_path)
    assert result.code == 0, result.err
    found = {
        Path(name).stem: [json.loads(line)["url"] for line in (tmp_path / name).read_text().splitlines()]
        for name in result.out.decode().split()
    }
    assert sorted(url for part in found.values() for url in part) == sorted([*urls, "no url"])
    return found


def test_large_hosts_get_even_parts_of_their_own(cut):
    """They come first, each host in as many parts as it bears, and the rest is parted by host."""
    large = [f"0-{host}-0000{part}" for host in BIG for part in range(3)]

    assert list(cut) == [*large, "00000", "00001", "00002", "00003"]
    assert {len(cut[name]) for name in large} == {6, 7}
    for name in large:
        assert {url.split("/")[2] for url in cut[name]} == {name[2:-6]}
