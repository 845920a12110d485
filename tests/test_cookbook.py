"""Every script of imgpipe-cookbook(7), run by a shell exactly as it stands there, and what came of it."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest
from helpers import IMGPIPE, picture, run_filter, shell
from PIL import Image

from imgpipe.bench import pictures
from imgpipe.bench.server import serve

MAN = Path(__file__).parents[1] / "man"
PAGE = (MAN / "imgpipe-cookbook.7").read_text()
ESCAPES = {r"\e": "\\", r"\(aq": "'", r"\(dq": '"', r"\&": "", r"\-": "-"}
HOST = "http://images.example.com"
URLS = [f"{HOST}/photo/{n}.jpg" for n in range(20)]
GONE = [f"{HOST}/gone.jpg", f"{HOST}/status/410"]


def unescaped(text: str) -> str:
    """The source of a literal display as a reader sees it."""
    return re.sub(r"\\(\(..|.)", lambda found: ESCAPES[found[0]], text)


def scripts_of_page() -> dict[str, str]:
    """Each script by the title of its section."""
    found = {}
    for part in re.split(r"^\.Ss ", PAGE, flags=re.MULTILINE)[1:]:
        title, _, text = part.removeprefix("\\&").partition("\n")
        displays = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", text, re.MULTILINE | re.DOTALL)
        assert len(displays) == 1, f"one script under each title: {title}"
        found[title] = unescaped(displays[0])
    return found


SCRIPTS = scripts_of_page()


class Kitchen:
    """A folder with the lists that the scripts speak of, and the shell that runs them.

    Attributes:
        home: The folder.
        env: What the shell's environment has besides.
    """

    def __init__(self, home: Path, server: str) -> None:
        self.home = home
        self.env = {"http_proxy": server, "no_proxy": "", "HOME": str(home), "SESSION": "secret"}

    def cook(self, title: str) -> str:
        """Run a script of the page; returns its standard output."""
        done = shell(f"set -eu\n{SCRIPTS[title]}", cwd=self.home, env=self.env)
        assert done.code == 0, done.err
        assert "Traceback" not in done.err, done.err
        return done.out.decode()

    def fill(self, out: str = "out", lines=(*URLS, *GONE)) -> None:
        """A data set that is there already."""
        shell(
            f"imgpipe fetch | imgpipe resize | imgpipe shard {out}",
            stdin="".join(f"{line}\n" for line in lines).encode(),
            cwd=self.home,
            env=self.env,
        )

    def placed(self, out: str = "out") -> list[dict]:
        """What the folder's metadata tell; each picture is there, and as large as they say."""
        lines = rows(self.home / out / "metadata.jsonl")
        for line in lines:
            assert size_of(self.home / out / line["file_name"]) == (line["width"], line["height"])
        return lines

    def failed(self, out: str = "out") -> list[dict]:
        return rows(self.home / out / "__imgpipe__" / "failed.jsonl")


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def server():
    with serve() as address:
        yield address


@pytest.fixture
def kitchen(tmp_path, server):
    home = tmp_path / "home"
    home.mkdir()
    (home / "urls.txt").write_text("".join(f"{url}\n" for url in (*URLS, *GONE)))
    (home / "doubles.txt").write_text(
        "".join(f"{url}\n" for url in [*URLS[:5], *URLS[:5], f"{URLS[0]}?again"])
    )
    (home / "addresses.txt").write_text("images.example.com/photo/1.jpg\n//images.example.com/photo/2.jpg\n")
    names = [f"picture {n}\t{url}\n" for n, url in enumerate(URLS)]
    (home / "list.tsv").write_text("names\turls\n" + "".join(names))
    table(
        home / "list.csv",
        ("url", "caption", "license", "rating"),
        lambda n: (f'"{n}", a\npicture', "CC BY", n / 2),
    )
    table(
        home / "digests.csv", ("url", "expected", "note"), lambda n: (digest(n) if n % 2 else "0" * 64, "x")
    )
    table(home / "products.csv", ("picture", "title", "sku"), lambda n: (f'a "fine", thing\n{n}', f"sku-{n}"))
    with gzip.open(home / "products.csv.gz", "wb") as packed:
        packed.write((home / "products.csv").read_bytes())
    return Kitchen(home, server)


def table(path: Path, header: tuple[str, ...], row: Callable[[int], tuple]) -> None:
    """A CSV of the twenty URLs and what `row` tells of each."""
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(header)
        lines.writerows((url, *row(n)) for n, url in enumerate(URLS))


def digest(number: int) -> str:
    return hashlib.sha256(pictures.photo(number)).hexdigest()


@pytest.fixture
def laion(kitchen):
    """Two parts of Parquet as LAION's are."""
    pa = pytest.importorskip("pyarrow", reason="needs the extra parquet")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    for part in range(2):
        numbers = range(part * 20, part * 20 + 20)
        columns = {
            "URL": [f"{HOST}/photo/{n}.jpg" for n in numbers],
            "TEXT": [f"a caption, n° {n}" for n in numbers],
            "WIDTH": [600 + n for n in numbers],
            "HEIGHT": [400] * 20,
            "similarity": [0.3 + n / 1000 for n in numbers],
            "LICENSE": ["?"] * 20,
            "LANGUAGE": [("en", "de")[n % 2] for n in numbers],
            "hash": [-n * 77_777_777_777 for n in numbers],
        }
        parquet.write_table(pa.table(columns), kitchen.home / f"part-0000{part}.parquet")


@pytest.fixture
def photos(kitchen):
    """A folder of photographs as people have them."""
    folder = kitchen.home / "photos"
    for name in ("IMG 1.JPG", "Été/my holiday (1).jpg", "Été/猫.jpeg", "-dash.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(2000, 1500, seed=len(name)))
    (folder / "cut.jpg").write_bytes(picture(2000, 1500)[:-4000])
    (folder / "drawing.png").write_bytes(picture(300, 200, "PNG"))
    (folder / "notes.txt").write_text("no picture")
    return folder


COOKED: dict[str, Callable[..., None]] = {}
"""Each title with the test of its script."""


def recipe(title: str):
    def take(test: Callable[..., None]) -> Callable[..., None]:
        COOKED[title] = test
        return test

    return take


def test_every_script_has_its_test():
    """A script that nothing runs would go stale."""
    assert list(SCRIPTS) == list(COOKED)
    assert len(SCRIPTS) >= 20


@pytest.mark.parametrize("program", [["mandoc", "-T", "utf8"], ["man", "-E", "UTF-8"]], ids=["mandoc", "man"])
def test_readers_see_the_scripts_as_they_are_run(program):
    """What a reader copies from the page, line by line, is what is tested."""
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    done = subprocess.run(
        [*program, MAN / "imgpipe-cookbook.7"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MANWIDTH": "100", "MAN_KEEP_FORMATTING": ""},
    )
    shown = {line.strip() for line in re.sub(r".\x08", "", done.stdout).splitlines()}

    for title, text in SCRIPTS.items():
        for line in text.splitlines():
            assert line.strip() in shown, f"{title}: {line}"


def test_scripts_fit_a_terminal():
    """No line is wider than 72 columns, so that 80 show it with its indent."""
    for title, text in SCRIPTS.items():
        assert max(map(len, text.splitlines())) <= 72, title


@recipe("A list of URLs")
def test_a_list(kitchen):
    """The pictures are numbered in the order of the list, and the dead ones are accounted for."""
    kitchen.cook("A list of URLs")

    assert [line["url"] for line in kitchen.placed()] == URLS
    assert sorted(record["url"] for record in kitchen.failed()) == sorted(GONE)


@recipe("A table with names")
def test_names(kitchen):
    """Each file has the name of its row."""
    kitchen.cook("A table with names")

    found = {line["file_name"]: line["url"] for line in kitchen.placed("pictures")}
    assert found == {f"00000/picture_{n}.jpg": url for n, url in enumerate(URLS)}


@recipe("Parquet with captions")
@pytest.mark.usefixtures("laion")
def test_parquet(kitchen):
    """Captions are in the tar, the two columns in the records, the other columns nowhere."""
    kitchen.cook("Parquet with captions")

    samples = tar_of(kitchen.home / "laion" / "00000.tar")
    assert len(samples) == 40
    for sample in samples.values():
        about = json.loads(sample["json"])
        number = about["url"].rpartition("/")[2].removesuffix(".jpg")
        assert sample["txt"].decode() == f"a caption, n° {number}"
        assert about["similarity"] == pytest.approx(0.3 + int(number) / 1000)
        assert "hash" not in about
        assert "LANGUAGE" not in about
        assert max(Image.open(io.BytesIO(sample["jpg"])).size) == 256


def tar_of(path: Path) -> dict[str, dict[str, bytes]]:
    """The samples of a tar: each member's bytes by key and extension."""
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, extension = member.name.partition(".")
            samples.setdefault(key, {})[extension] = tar.extractfile(member).read()
    return samples


@recipe("A table with columns of its own")
def test_columns(kitchen):
    """Quotes and newlines are in the captions, names are the keys, and each picture is 512 by 512."""
    kitchen.cook("A table with columns of its own")

    placed = kitchen.placed("products")
    assert {line["caption"] for line in placed} == {f'a "fine", thing\n{n}' for n in range(20)}
    assert {line["file_name"] for line in placed} == {f"00000/sku-{n}.jpg" for n in range(20)}
    assert {(line["width"], line["height"]) for line in placed} == {(512, 512)}


@recipe("Addresses without a scheme")
def test_addresses(kitchen):
    """Both become URLs, with and without slashes in front."""
    kitchen.cook("Addresses without a scheme")

    assert {line["url"] for line in kitchen.placed()} == {URLS[1], URLS[2]}


@recipe("A sample of one in ten")
@pytest.mark.usefixtures("laion")
def test_sample(kitchen):
    """Of forty rows every tenth is there."""
    kitchen.cook("A sample of one in ten")

    found = sorted(line["url"] for line in kitchen.placed("sample"))
    assert found == sorted(f"{HOST}/photo/{n}.jpg" for n in (0, 10, 20, 30))


@recipe("By what the table says")
@pytest.mark.usefixtures("laion")
def test_by_table(kitchen):
    """Only English captions of wide pictures."""
    kitchen.cook("By what the table says")

    found = {line["url"] for line in kitchen.placed("english")}
    assert found == {f"{HOST}/photo/{n}.jpg" for n in (30, 32, 34, 36, 38)}


@recipe("By what was downloaded")
def test_landscape(kitchen):
    """Upright pictures are left out, failures stay, and no file is left in the spool."""
    kitchen.cook("By what was downloaded")

    placed = kitchen.placed("landscape")
    assert 0 < len(placed) < 20
    assert all(line["original_width"] > line["original_height"] for line in placed)
    assert len(kitchen.failed("landscape")) == 2


@recipe("By rules, with the reasons kept")
def test_rules(kitchen):
    """What is placed obeys the rules, and the counts of the rest add up."""
    counted = kitchen.cook("By rules, with the reasons kept")

    placed = kitchen.placed("large")
    sides = [sorted((line["original_width"], line["original_height"])) for line in placed]
    assert all(short >= 550 and long <= 1.3 * short for short, long in sides)
    counts = {kind: int(count) for count, kind in map(str.split, counted.splitlines())}
    assert set(counts) == {"too_small", "aspect", "http_status"}
    assert len(placed) + sum(counts.values()) == 22


@recipe("Each picture once")
def test_once(kitchen):
    """Five pictures of eleven lines, and the same ones under another URL as duplicates."""
    kitchen.cook("Each picture once")

    assert len(kitchen.placed("once")) == 5
    assert [record["error"] for record in kitchen.failed("once")] == ["duplicate"]


@recipe("Originals and thumbnails")
def test_originals(kitchen):
    """The originals have their bytes, the thumbnails are square."""
    kitchen.cook("Originals and thumbnails")

    originals = {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (kitchen.home / "originals").iterdir()
    }
    placed = kitchen.placed("thumbnails")
    assert originals == {line["sha256"] for line in placed}
    assert {(line["width"], line["height"]) for line in placed} == {(128, 128)}


@recipe("Several sizes")
def test_sizes(kitchen):
    """Each size has every picture, and the originals are still there."""
    kitchen.cook("Several sizes")

    for size in (64, 256):
        placed = kitchen.placed(f"size-{size}")
        assert {line["url"] for line in placed} == set(URLS)
        assert {max(line["width"], line["height"]) for line in placed} == {size}
    assert len(list((kitchen.home / "originals").iterdir())) == 20


@recipe("Tars for webdataset")
def test_tars(kitchen):
    """Each sample has a picture, its record and its caption, newlines included."""
    kitchen.cook("Tars for webdataset")

    samples = tar_of(kitchen.home / "tars" / "00000.tar")
    assert len(samples) == 20
    for sample in samples.values():
        assert set(sample) == {"jpg", "json", "txt"}
        assert json.loads(sample["json"])["caption"] == sample["txt"].decode()
    assert any("\n" in sample["txt"].decode() for sample in samples.values())


@recipe("Parquet for load_dataset")
def test_table(kitchen):
    """The columns have the types that were asked for, and the pictures are in them."""
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    kitchen.cook("Parquet for load_dataset")

    found = pq.read_table(kitchen.home / "table" / "00000.parquet")
    assert (str(found.schema.field("rating").type), found.num_rows) == ("double", 20)
    assert sorted(found.column("rating").to_pylist()) == [n / 2 for n in range(20)]
    assert set(found.column("license").to_pylist()) == {"CC BY"}
    for image in found.column("image").to_pylist():
        Image.open(io.BytesIO(image["bytes"])).load()


@recipe("A folder for load_dataset")
def test_folder(kitchen):
    """Captions and columns are in the metadata, and each caption beside its picture."""
    kitchen.cook("A folder for load_dataset")

    placed = kitchen.placed("folder")
    assert len(placed) == 20
    for line in placed:
        text = (kitchen.home / "folder" / line["file_name"]).with_suffix(".txt").read_text()
        assert text == line["caption"]
        assert line["license"] == "CC BY"


@pytest.fixture
def bucket(kitchen):
    """The name of a bucket, on an S3 server of this machine, as a function that lists it."""
    moto_server = pytest.importorskip("moto.server", reason="needs moto[server]")
    s3fs = pytest.importorskip("s3fs", reason="needs the extra cloud")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    kitchen.env |= {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "no_proxy": "127.0.0.1",
    }
    files = s3fs.S3FileSystem(endpoint_url=endpoint, key="test", secret="test", skip_instance_cache=True)
    files.mkdir("sets")
    yield lambda: (files.invalidate_cache(), files.find("sets"))[1]
    # Another server in this process would have it too.
    files.invalidate_cache()
    files.rm("sets", recursive=True)
    server.stop()


@recipe("To a bucket")
@pytest.mark.filterwarnings("ignore")
def test_bucket(kitchen, bucket):
    """The shard and what is written about it are objects."""
    kitchen.cook("To a bucket")

    assert {"sets/cats/00000.tar", "sets/cats/__imgpipe__/failed.jsonl"} <= set(bucket())


@recipe("After a crash")
def test_after_a_crash(kitchen):
    """Ended in the middle by kill -9, the same line again makes the set whole, each picture once."""
    kitchen.fill(lines=URLS[:7])
    script = "imgpipe fetch --delay 0.05 --resume out/ < urls.txt | imgpipe resize | imgpipe shard out/"
    with group(kitchen, script) as process:
        wait_until(lambda: len(rows_now(kitchen.home / "out" / "metadata.jsonl")) > 9)
        os.killpg(process.pid, signal.SIGKILL)

    kitchen.cook("After a crash")

    assert sorted(line["url"] for line in kitchen.placed()) == sorted(URLS)
    before = kitchen.placed()
    kitchen.cook("After a crash")
    assert kitchen.placed() == before


@contextlib.contextmanager
def group(kitchen: Kitchen, script: str):
    """A shell that runs a script, with all that it starts, until the end of the block."""
    path = f"{Path(IMGPIPE).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=kitchen.home,
        env={**os.environ, **kitchen.env, "PATH": path},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def wait_until(holds: Callable[[], bool], timeout: float = 20) -> None:
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows_now(path: Path) -> list[str]:
    """The lines of a file that is still written."""
    return path.read_text().splitlines() if path.exists() else []


@recipe("The failures that may pass")
def test_retry(kitchen):
    """A host that comes back is placed, and leaves the list; what is gone for good is not asked for."""
    passing = f"{HOST}/flaky/4/photo/{time.monotonic_ns()}.jpg"
    kitchen.fill(lines=[*GONE, passing])
    assert len(kitchen.failed()) == 3

    kitchen.cook("The failures that may pass")

    assert [line["url"] for line in kitchen.placed()] == [passing]
    assert sorted(record["url"] for record in kitchen.failed()) == sorted(GONE)


@recipe("Every night")
def test_nightly(kitchen):
    """A second night places what is new, says nothing, and asks for nothing else."""
    folder = kitchen.home / "pictures"
    folder.mkdir()
    (folder / "urls.txt").write_text("".join(f"{url}\n" for url in URLS[:5]))
    for count in (5, 8):
        (folder / "urls.txt").write_text("".join(f"{url}\n" for url in URLS[:count]))
        done = shell(SCRIPTS["Every night"], cwd="/", env=kitchen.env)
        assert (done.code, done.out, done.err) == (0, b"", "")
        assert len(kitchen.placed("pictures/out")) == count
    assert len((folder / "fetch.log").read_text().splitlines()) == 8


@recipe("A list that is still being written")
def test_live(kitchen):
    """A picture is in its place while the list stays open, and Ctrl-C leaves the set whole."""
    (kitchen.home / "queue.txt").write_text(f"{URLS[0]}\n")
    with group(kitchen, SCRIPTS["A list that is still being written"]) as process:
        wait_until(lambda: len(rows_now(kitchen.home / "live" / "metadata.jsonl")) == 1)
        with (kitchen.home / "queue.txt").open("a") as queue:
            queue.write(f"{URLS[1]}\n")
        wait_until(lambda: len(rows_now(kitchen.home / "live" / "metadata.jsonl")) == 2)
        os.killpg(process.pid, signal.SIGINT)
        process.wait(20)

    assert [line["url"] for line in kitchen.placed("live")] == URLS[:2]
    assert run_filter("verify", kitchen.home / "live").code == 0


class Guard:
    """A proxy that notes each request and answers with a photograph."""

    def __init__(self) -> None:
        noted = self.noted = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                noted.append((time.monotonic(), self.path, dict(self.headers)))
                found = not self.path.endswith("robots.txt")
                body = pictures.photo(1) if found else b"User-agent: *\nDisallow: /photo/3.jpg\n"
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def guard(kitchen):
    found = Guard()
    (kitchen.home / "urls.txt").write_text("".join(f"{url}\n" for url in URLS[:6]))
    yield found
    found.server.shutdown()
    found.server.server_close()


@recipe("A gentle guest")
def test_gentle(kitchen, guard):
    """One request at a time, a fifth of a second apart, by its own name, and not what robots.txt forbids."""
    pytest.importorskip("protego", reason="needs the extra robots")
    kitchen.env["http_proxy"] = guard.address
    kitchen.cook("A gentle guest")

    asked = [path for _, path, _ in guard.noted]
    times = [at for at, path, _ in guard.noted if path in URLS]
    assert f"{HOST}/robots.txt" in asked
    assert sorted(set(asked) & set(URLS)) == sorted({*URLS[:6]} - {URLS[3]})
    assert all(later - earlier > 0.15 for earlier, later in pairwise(times))
    assert {headers["User-Agent"] for _, _, headers in guard.noted} == {
        "cats/1.0 (+https://example.com/cats)"
    }
    assert len(kitchen.failed()) == 1


@recipe("Headers and cookies")
def test_headers(kitchen, guard):
    """Each request carries both headers."""
    kitchen.env["http_proxy"] = guard.address
    kitchen.cook("Headers and cookies")

    assert len(guard.noted) == 6
    for _, _, headers in guard.noted:
        assert (headers["Cookie"], headers["Referer"]) == ("session=secret", f"{HOST}/")
    assert "secret" not in (kitchen.home / "out" / "metadata.jsonl").read_text()


@recipe("Through a proxy")
def test_proxy(kitchen, guard):
    """Each request goes through the proxy of the option, not that of the variable."""
    kitchen.env |= {"PROXY": guard.address, "http_proxy": "http://127.0.0.1:9"}
    kitchen.cook("Through a proxy")

    assert sorted(path for _, path, _ in guard.noted) == sorted(URLS[:6])
    assert len(kitchen.placed()) == 6


@recipe("Pictures from strangers")
def test_strangers(kitchen):
    """What is broken or too large costs a record each, and the rest is placed."""
    with (kitchen.home / "urls.txt").open("a") as file:
        file.write(f"{HOST}/broken/truncated.jpg\n{HOST}/size/6000000\n")
    kitchen.cook("Pictures from strangers")

    assert len(kitchen.placed()) == 20
    kinds = sorted(record["error"] for record in kitchen.failed())
    assert kinds == ["decode", "http_status", "http_status", "too_large"]


@recipe("Several downloaders, one writer")
@pytest.mark.skipif("not hasattr(os, 'memfd_create')", reason="-d is GNU xargs, the promise Linux's")
def test_xargs(kitchen):
    """Every line is accounted for."""
    kitchen.cook("Several downloaders, one writer")

    assert (len(kitchen.placed()), len(kitchen.failed())) == (20, 2)


@recipe("GNU parallel")
@pytest.mark.skipif("shutil.which('parallel') is None", reason="GNU parallel is not installed")
def test_parallel(kitchen):
    """Every line is accounted for."""
    kitchen.cook("GNU parallel")

    assert (len(kitchen.placed()), len(kitchen.failed())) == (20, 2)


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


@recipe("A folder resized into another")
def test_photographs(kitchen, photos):
    """All are there under their names and no larger than asked, the broken ones are named, nothing is changed."""
    before = {path: path.read_bytes() for path in photos.rglob("*.*")}
    told = kitchen.cook("A folder resized into another")

    sizes = {path.name: size_of(path) for path in (kitchen.home / "smaller").iterdir()}
    large = ("IMG_1.jpg", "my_holiday_(1).jpg", "猫.jpg", "dash.jpg")
    assert sizes == dict.fromkeys(large, (1600, 1200)) | {"drawing.jpg": (300, 200)}
    assert sorted(line.partition(": ")[0] for line in told.splitlines()) == [
        "photos/cut.jpg",
        "photos/notes.txt",
    ]
    assert before == {path: path.read_bytes() for path in photos.rglob("*.*")}


@recipe("A folder as a data set")
def test_photographs_as_a_set(kitchen, photos):
    """Each picture and each failure tells which file it was."""
    kitchen.cook("A folder as a data set")

    found = {line["source"] for line in kitchen.placed("set")} | {
        line["source"] for line in kitchen.failed("set")
    }
    assert found == {f"photos/{path.relative_to(photos)}" for path in photos.rglob("*.*")}
    assert {line["error"] for line in kitchen.failed("set")} == {"decode", "not_image"}


@recipe("Against known digests")
def test_digests(kitchen):
    """Half of the digests are right."""
    kitchen.cook("Against known digests")

    assert {line["url"] for line in kitchen.placed("verified")} == set(URLS[1::2])
    assert Counter(record["error"] for record in kitchen.failed("verified")) == {"hash_mismatch": 10}


@recipe("Where it fails")
def test_where_it_fails(kitchen):
    """Counts of kind and host, the commonest first."""
    kitchen.fill(lines=[*GONE, "http://other.example.org/broken/html.jpg", "ftp://c.example.net/a.jpg"])

    told = [line.split() for line in kitchen.cook("Where it fails").splitlines()]

    assert told[0] == ["2", "http_status", "images.example.com"]
    assert sorted(told[1:]) == [["1", "bad_scheme", "c.example.net"], ["1", "not_image", "other.example.org"]]


@recipe("A data set mended")
def test_mended(kitchen):
    """What was harmed is fetched again; a sound data set starts nothing."""
    kitchen.fill(lines=URLS[:5])
    kitchen.cook("A data set mended")
    assert not (kitchen.home / "mended").exists()
    harmed = kitchen.placed()[0]
    (kitchen.home / "out" / harmed["file_name"]).write_bytes(b"harmed")

    kitchen.cook("A data set mended")

    assert [line["url"] for line in kitchen.placed("mended")] == [harmed["url"]]


@recipe("In a batch system")
def test_batch(kitchen):
    """Enough came through; where less did, the last line tells where to look. Status lines are JSON."""
    script = "In a batch system"
    done = shell(SCRIPTS[script], cwd=kitchen.home, env=kitchen.env)
    assert done.out == b""
    assert json.loads(done.err.splitlines()[-1])["ok"] == 20

    (kitchen.home / "urls.txt").write_text("".join(f"{url}\n" for url in GONE))
    assert "look at out/" in kitchen.cook(script)


@recipe("Something to look at")
def test_report(kitchen):
    """The page is there, and tells the number of pictures."""
    kitchen.fill()
    kitchen.cook("Something to look at")

    page = (kitchen.home / "out.html").read_text()
    assert "<html" in page
    assert "photo/1.jpg" in page


@recipe("How fast it could be")
def test_bench(kitchen):
    """A table with a line for each mode."""
    told = kitchen.cook("How fast it could be")

    for mode in ("async", "threads", "processes", "loop"):
        assert re.search(rf"^ *{mode}\b", told, re.MULTILINE)
