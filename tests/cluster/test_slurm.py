from __future__ import annotations

import os

import pytest
from cluster.loopback import SLURM_TOOLS, output_of, slurm, tool, wait_until
from cluster.places import Place

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(not all(map(tool, SLURM_TOOLS)), reason="Slurm or munge is not installed"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """What the commands of a cluster on loopback find in their environment."""
    with slurm(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


def finish(place: Place) -> None:
    """Until no job of the cluster waits or runs; where one hangs, tell which of its processes does."""
    env = {**os.environ, **place.env}
    try:
        wait_until(lambda: not output_of("squeue", "-h", env=env), "the array", 120)
    except AssertionError as error:
        jobs = output_of("squeue", env=env)
        processes = output_of("ps", "-eo", "pid,ppid,stat,wchan,args", "--forest", env=env)
        raise AssertionError(f"{error}\n{jobs}\n{processes}") from None


def logs(place: Place) -> list[str]:
    return sorted(path.name for path in place.folder.glob("imgpipe-*.log"))


def test_an_array(cluster, place, plain):
    """Half of the tasks are killed; each is requeued by itself, and the set is that of the plain pipe."""
    place.env |= cluster
    assert place.run("parts.sh").code == 0
    reaper = place.reaper()
    with reaper.at_work():
        result = place.run("submit.sh")
        assert result.code == 0, result.err
        finish(place)

    assert set(reaper.killed) == set(reaper.victims)
    assert logs(place) == [f"imgpipe-{part}.log" for part in range(place.parts)]
    place.assert_complete(plain)


def test_the_array_of_what_failed(cluster, place, plain):
    """A second submission starts those parts only that have no marker, and one after that starts nothing."""
    place.env |= cluster
    assert place.run("parts.sh").code == 0
    done = [0, 5]
    for part in done:
        assert place.run("part.sh", place.input_of(part)).code == 0

    assert place.run("submit.sh").out.startswith(b"Submitted batch job")
    finish(place)
    assert logs(place) == [f"imgpipe-{part}.log" for part in range(place.parts) if part not in done]
    place.assert_complete(plain)
    assert place.run("submit.sh").out == b""
