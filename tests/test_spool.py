from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imgpipe import spool as spools
from imgpipe import sweep
from imgpipe.errors import OutputError, UsageError
from imgpipe.spool import Spool
from imgpipe.sweep import Seen


@pytest.fixture
def run(spool):
    """A writer's run folder."""
    writer = Spool(spool)
    yield writer
    writer.close()


def spooled(writer: Spool, content=b"x") -> dict:
    path = writer.new_path("jpg")
    Path(path).write_bytes(content)
    return {"url": "u", "path": path, "spooled": True}


def test_the_default_is_named_by_the_environment(monkeypatch, tmp_path):
    """`IMGPIPE_SPOOL` names the spool; else it lies in the temporary directory, one for each user."""
    monkeypatch.setenv("IMGPIPE_SPOOL", str(tmp_path / "s"))
    assert tmp_path / "s" == spools.default_root()

    monkeypatch.delenv("IMGPIPE_SPOOL")
    assert f"imgpipe-{os.getuid()}" == spools.default_root().name


def test_a_run_folder_is_private_and_locked(run, spool):
    """Nobody else may read it, and others see that its writer lives."""
    assert stat.S_IMODE(os.stat(run.folder).st_mode) == 0o700
    assert Path(run.folder).parent == spool
    descriptor = os.open(run.folder, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_a_relative_spool_gives_absolute_paths(tmp_path, monkeypatch):
    """The next stage may run in another directory."""
    monkeypatch.chdir(tmp_path)

    writer = Spool(Path("here"))

    assert writer.new_path("jpg").startswith(f"{tmp_path}/here/imgpipe-run-")


def test_an_empty_folder_goes_with_its_writer(run):
    """A writer whose files have all been taken leaves nothing behind."""
    folder = run.folder

    run.close()
    run.close()

    assert not os.path.exists(folder)


def test_a_folder_with_files_outlives_its_writer(run):
    """Records that were written may name its files: they stay for the next stage."""
    record = spooled(run)

    run.close()

    assert os.path.exists(record["path"])


def test_a_spool_that_was_not_used_makes_nothing(spool):
    """Without a file there is no folder."""
    writer = Spool(spool)
    writer.remove()
    writer.close()

    assert not spool.exists()


def test_a_file_in_the_spools_place_is_told(tmp_path):
    """The spool must be a folder that can be written."""
    place = tmp_path / "file"
    place.write_text("")

    with pytest.raises(OutputError, match="--spool"):
        Spool(place).new_path("jpg")


def test_a_read_only_place_is_told():
    """Where no folder can be made, the message names the option that helps."""
    with pytest.raises(OutputError, match="--spool"):
        Spool(Path("/proc/imgpipe")).new_path("jpg")
    with pytest.raises(OutputError, match="--spool"):
        Spool(Path("/proc/self")).new_path("jpg")


@pytest.mark.parametrize("plant", ["link", "writable"])
def test_a_planted_default_spool_is_refused(plant, tmp_path, monkeypatch):
    """A link or a folder open to others under the well-known name is not used."""
    monkeypatch.delenv("IMGPIPE_SPOOL")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    place = tmp_path / f"imgpipe-{os.getuid()}"
    if plant == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.mkdir()
        place.chmod(0o777)

    with pytest.raises(UsageError, match="belongs to somebody else"):
        Spool().new_path("jpg")


def test_the_default_spool_is_made_private(tmp_path, monkeypatch):
    """Where nothing is planted the default is made for this user alone."""
    monkeypatch.delenv("IMGPIPE_SPOOL")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    writer = Spool()

    assert Path(writer.folder).parent.name == f"imgpipe-{os.getuid()}"
    assert stat.S_IMODE(os.stat(Path(writer.folder).parent).st_mode) == 0o700
    writer.remove()


def test_discard_unlinks_what_is_the_pipes_own(run):
    """A failed record's spooled file goes, and the record names it no more."""
    record = spooled(run)
    path = record["path"]

    spools.discard(record)

    assert record == {"url": "u"}
    assert not os.path.exists(path)
    spools.discard(record | {"path": path, "spooled": True})


def test_the_users_own_file_is_never_unlinked(tmp_path):
    """A record that lies about a file outside of the spool takes nothing away."""
    mine = tmp_path / "mine.jpg"
    mine.write_bytes(b"x")

    for record in (
        {"path": str(mine), "spooled": True},
        {"path": str(mine), "spooled": False},
        {"path": 5, "spooled": True},
        {"spooled": True},
    ):
        assert spools.owned_path(record) is None
        spools.discard(dict(record))

    assert mine.exists()


def test_only_files_directly_in_a_run_folder_of_ours_are_owned(run, tmp_path):
    """Detours, links and lookalikes are not believed."""
    path = run.new_path("jpg")
    lookalike = tmp_path / "imgpipe-run-1-0"
    lookalike.symlink_to(run.folder)

    assert run.folder == spools.run_folder(path)
    for other in (
        f"{run.folder}/sub/x.jpg",
        f"{run.folder}/..",
        f"{run.folder}/",
        "imgpipe-run-1/x.jpg",
        f"{tmp_path}/imgpipe-run-none/x.jpg",
        f"{lookalike}/x.jpg",
        "x.jpg",
    ):
        assert spools.run_folder(other) is None


def test_remove_takes_all(run):
    """Where nobody reads on, the whole folder goes, once."""
    record = spooled(run)

    run.remove()
    run.remove()

    assert not os.path.exists(os.path.dirname(record["path"]))


def test_sweep_leaves_the_living_alone(run, spool):
    """A folder whose writer lives stays, orphans or not; one whose writer ended goes."""
    seen = Seen()
    seen.note(spooled(run))
    ended = Spool(spool)
    orphan = spooled(ended)
    seen.note(orphan)
    seen.note({"path": "/nowhere/x.jpg", "spooled": True})
    seen.note({"path": "/nowhere/x.jpg"})
    ended.close()

    seen.sweep()
    assert os.path.exists(orphan["path"])
    seen.sweep(orphans=True)

    assert [run.folder] == [str(p) for p in spool.iterdir()]


def test_sweep_waits_for_a_writer_that_is_ending(spool):
    """With patience a folder goes once its writer, another process, has ended."""
    script = (
        "import sys; from pathlib import Path; from imgpipe.spool import Spool; s = Spool(Path(sys.argv[1]));"
        "p = s.new_path('jpg'); open(p, 'w').close(); print(p, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(spool)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    path = child.stdout.readline().decode().strip()
    seen = Seen()
    seen.note({"path": path, "spooled": True})

    seen.sweep(orphans=True, patience=0.05)
    assert os.path.exists(path)
    child.stdin.close()
    seen.sweep(orphans=True, patience=10)

    assert not os.path.exists(path)
    child.stdout.close()
    child.wait()


def test_folders_seen_are_bounded(spool):
    """Over a long input the folders that were emptied are forgotten early."""
    seen = Seen()
    for _ in range(600):
        writer = Spool(spool)
        record = spooled(writer)
        writer.close()
        seen.note(record)
        os.unlink(record["path"])

    assert len(list(spool.iterdir())) <= 257


def test_clean_removes_the_abandoned_only(run, spool):
    """Only old, unlocked run folders go; other things in the spool stay."""
    spooled(run)
    old = Spool(spool)
    record = spooled(old)
    os.close(old._lock)
    (spool / "other").mkdir()
    (spool / "imgpipe-run-file").write_text("")
    young = sweep.clean(spool, 3600, time.time())
    removed = sweep.clean(spool, 3600, time.time() + 7200)

    assert young == []
    assert [Path(record["path"]).parent] == removed
    assert {Path(run.folder).name, "other", "imgpipe-run-file"} == {p.name for p in spool.iterdir()}


def test_clean_of_no_spool_is_nothing(tmp_path):
    """A spool that does not exist holds nothing."""
    assert sweep.clean(tmp_path / "none", 0, time.time()) == []


def test_a_folder_that_is_gone_is_no_trouble(run):
    """Somebody else may have removed the folder meanwhile."""
    seen = Seen()
    seen.note(spooled(run))
    shutil.rmtree(run.folder)

    seen.sweep(orphans=True)
    run.remove()
