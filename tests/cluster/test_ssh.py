from __future__ import annotations

import pytest
from cluster.loopback import SSH_TOOLS, sshd, tool
from cluster.places import Place

pytestmark = [
    pytest.mark.sshd,
    pytest.mark.skipif(
        not all(map(tool, (*SSH_TOOLS, "parallel"))), reason="sshd or GNU parallel is not installed"
    ),
]


@pytest.fixture
def reaching(tmp_path_factory, place):
    """A place whose folder two hosts see, and whose environment tells how to reach them."""
    there = {name: place.env[name] for name in ("http_proxy", "IMGPIPE_SPOOL")}
    with sshd(tmp_path_factory.mktemp("sshd"), there) as reach:
        (place.folder / "hosts").write_text("2/one\n2/two\n")
        place.env |= {**reach, "HOSTS": str(place.folder / "hosts")}
        yield place


def rows(place: Place) -> list[list[str]]:
    return [row.split("\t") for row in (place.folder / "ssh.log").read_text().splitlines()[1:]]


def test_two_hosts(reaching, plain):
    """Half of the jobs are killed where they run; each is tried again, here or there, until the set is that of the
    plain pipe."""
    assert reaching.run("parts.sh").code == 0
    reaper = reaching.reaper()
    with reaper.at_work():
        result = reaching.run("ssh.sh")

    assert result.code == 0, result.err
    assert set(reaper.killed) == set(reaper.victims)
    assert {row[1] for row in rows(reaching)} == {"one", "two"}
    reaching.assert_complete(plain)


def test_a_host_that_cannot_be_reached(reaching, plain):
    """The other host does its parts too."""
    assert reaching.run("parts.sh").code == 0
    (reaching.folder / "hosts").write_text("2/one\n1/nowhere.invalid\n")

    result = reaching.run("ssh.sh")
    assert result.code == 0, result.err
    reaching.assert_complete(plain)
