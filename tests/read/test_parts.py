from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from helpers import as_line, assert_one_clear_line, run_filter
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.hosts import host_of
from imgpipe.read.balance import KEPT, Balance
from imgpipe.read.parts import digest_of_host, place

HOSTS = ["a.example", "b.example:81", "B.EXAMPLE", "c.example.", "münchen.de", "[::1]", "", "a b", "\ud800"]
urls = st.one_of(
    st.builds("http://{}/{}".format, st.sampled_from(HOSTS), st.integers(0, 99)), st.text(), st.none()
)
rows = st.one_of(
    st.builds(dict, url=urls), st.builds(dict, path=st.text()), st.builds(dict, url=st.integers())
)
LINES = [f"http://host{number % 7}.example/{number}.jpg" for number in range(40)]
ODD = [*LINES, b"\xff\xfe", "no url", "ftp://host0.example/a", '{"url": null}', "", "x" * (1 << 20) + "x"]


@given(st.lists(rows), st.integers(1, 20), st.sampled_from(["host", "line"]))
def test_the_parts_together_are_the_whole(records, parts, by):
    """Each record is in exactly one part, and no two parts have a host in common."""
    hosts: dict[str, set[int]] = {}
    for number, record in enumerate(records, 1):
        part, host = place(record, number, parts, by)
        assert 0 <= part < parts
        assert host is None or host == host_of(record["url"])
        hosts.setdefault(host or "", set()).add(part)
        if by == "line":
            assert part == number % parts

    assert all(len(found) == 1 for host, found in hosts.items() if host)


@given(urls, st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 100_000))
def test_the_part_of_a_url_does_not_hang_on_its_place(url, number, other, parts):
    """A list that is sorted anew or grows has its old URLs in their old parts."""
    if url is not None:
        assert place({"url": url}, number, parts, "host") == place({"url": url}, other, parts, "host")


def test_the_part_of_a_host_never_changes():
    """Another version, machine or Python puts a host where this one does."""
    expected = {
        "http://a.example/": 982,
        "https://A.EXAMPLE:8443/x": 982,
        "http://münchen.de": 648,
        "no url": 829,
        "http://\ud800/": 263,
    }

    assert {url: place({"url": url}, 1, 1000, "host")[0] for url in expected} == expected
    assert place({"path": "a.jpg"}, 1234, 1000, "host") == (234, None)


@pytest.mark.parametrize("by", ["host", "line"])
def test_no_line_is_lost_or_written_twice(by, tmp_path):
    """What part by part is written, also of lines that cannot be read, is what the whole is."""
    table = tmp_path / "odd.txt"
    table.write_bytes(b"".join(map(as_line, ODD)))
    whole = run_filter("read", table).out.splitlines()
    parts = [run_filter("read", "--part", f"{part}/3", "--part-by", by, table) for part in (1, 2, 3)]
    for result in parts:
        assert result.code == 0
        assert result.out.splitlines() == [line for line in whole if line in result.out.splitlines()]

    assert Counter(whole) == Counter(line for result in parts for line in result.out.splitlines())
    assert all(result.out for result in parts)


def test_zero_and_n_are_the_same_part():
    """Engines that count from 0 and those that count from 1 get the same parts."""
    first, last = (run_filter("read", "--part", part, lines=LINES) for part in ("0/3", "3/3"))

    assert first.out == last.out
    assert first.err.splitlines()[-1].startswith("imgpipe read: part 0 of 3 has ")


def test_every_process_divides_alike():
    """The seed of Python's hash and the environment change nothing."""
    results = {
        run_filter("read", "--part", "1/3", lines=LINES, env={"PYTHONHASHSEED": seed, "LC_ALL": locale}).out
        for seed, locale in (("1", "C"), ("2", "C.UTF-8"), ("0", "tr_TR"))
    }

    assert len(results) == 1
    assert results.pop()


def test_rows_are_left_out_before_the_parts_are_made():
    """The parts together are what --skip and --limit leave, not as much of each part."""
    chosen = ("--skip", 5, "--limit", 20)
    parts = [run_filter("read", *chosen, "--part", f"{part}/4", lines=LINES).records for part in range(4)]

    assert sorted(record["seq"] for part in parts for record in part) == list(range(6, 26))


def test_blank_lines_do_not_make_parts_uneven():
    """The parts by line are even, whatever lies between the records."""
    lines = [text for line in LINES for text in (line, "")]
    sizes = [
        len(run_filter("read", "--part", f"{i}/2", "--part-by", "line", lines=lines).records) for i in (1, 2)
    ]

    assert sizes == [20, 20]


def test_a_table_without_urls_goes_by_its_rows():
    """Where there is no host to keep together, the parts are even."""
    lines = [{"file_name": f"{number}.jpg"} for number in range(9)]
    result = run_filter("read", "--part", "1/3", lines=lines)

    assert [record["seq"] for record in result.records] == [1, 4, 7]


def test_it_is_told_how_uneven_the_parts_are():
    """One line names the records of the part and of all, the largest part and its largest host."""
    lines = [*["http://big.example/"] * 60, *LINES]
    result = run_filter("read", "--part", "2/5", lines=lines)
    told = result.err.splitlines()[-1]

    assert told.startswith(
        f"imgpipe read: part 2 of 5 has {len(result.records)} of 100 records; the largest, "
    )
    assert told.endswith(" times the mean, 60 of them from big.example")
    assert run_filter("read", "-q", "--part", "2/5", lines=lines).err == ""
    assert "; " not in run_filter("read", "--part", "2/5").err


def test_the_largest_host_is_known_among_a_long_tail():
    """Of more hosts than are counted, the one that makes a part large is named, with no more than it has."""
    balance = Balance(7)
    for number in range(4 * KEPT):
        for host in (f"host{number}.example", *["big.example"] * (number > 3 * KEPT and number % 10 == 0)):
            balance.add(place({"url": f"http://{host}/"}, 1, 7, "host")[0], host)
    told = re.search(r"times the mean, at least (\d+) of them from big.example$", balance.of_all())

    assert told
    assert KEPT // 10 - 5 <= int(told[1]) < KEPT // 10


def test_the_host_that_is_named_is_one_of_the_largest_part():
    """A larger host, which made another part, is not blamed; and the part is held against the mean of all."""
    hosts = [f"h{number}.example" for number in range(20)]
    even, odd = ([host for host in hosts if digest_of_host(host) % 2 == rest] for rest in (0, 1))
    balance = Balance(2)
    for host, count in ((even[0], 5), (odd[0], 4), (odd[1], 3)):
        for _ in range(count):
            balance.add(digest_of_host(host) % 2, host)

    largest = f"the largest, 1, has 7, 1.17 times the mean, 4 of them from {odd[0]}"
    assert balance.of_all() == f"2 parts of 12 records; {largest}"


@pytest.mark.parametrize(
    "part", ["", "3", "4/3", "1/0", "-1/3", "1/x", "1/100001", "1/3/5", "٣/٩", "1" * 30 + "/3"]
)
def test_a_part_that_is_none_is_refused(part):
    """One clear line says how a part is written."""
    assert_one_clear_line(run_filter("read", "--part", part), 2, "is no part; write 3/8")


def test_records_of_a_part_are_those_of_the_whole():
    """A part has its records as they are, with the numbers that they have in the whole."""
    lines = [{"url": f"http://h{number}/", "caption": "é", "n": 2**64} for number in range(8)]
    whole = run_filter("read", lines=lines).records
    part = run_filter("read", "--part", "1/2", lines=lines).records

    assert 0 < len(part) < 8
    assert all(record in whole for record in part)
    assert json.dumps(part[0], ensure_ascii=False).count("é") == 1
