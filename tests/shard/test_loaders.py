"""The data sets load with the real libraries, by every usual call."""

from __future__ import annotations

import io

import pytest
from helpers import picture, run_filter
from PIL import Image

datasets = pytest.importorskip("datasets", reason="needs the extra loaders: pip install 'imgpipe[loaders]'")
webdataset = pytest.importorskip(
    "webdataset", reason="needs the extra loaders: pip install 'imgpipe[loaders]'"
)

pytestmark = [pytest.mark.loaders, pytest.mark.filterwarnings("ignore")]

CALLS = {
    "files": [("imagefolder", "data_dir"), ("imagefolder", "**"), (None, "plain")],
    "tar": [("webdataset", "data_dir"), ("webdataset", "*.tar"), (None, "plain")],
    "parquet": [("parquet", "data_dir"), ("parquet", "*.parquet"), (None, "plain")],
}
EVERY_CALL = pytest.mark.parametrize(
    ("kind", "builder", "by"), [(kind, *call) for kind, calls in CALLS.items() for call in calls]
)
FORMATS = pytest.mark.parametrize("kind", CALLS)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets.disable_progress_bars()


def load(out, kind, cache, builder=None, by="plain"):
    """Rows as a user has them: `image`, and the columns beside it."""
    builder = builder or (str(out) if by == "plain" else None)
    options = {}
    if by == "data_dir":
        options["data_dir"] = str(out)
    elif by != "plain":
        options["data_files"] = f"{out}/{by}"
    found = datasets.load_dataset(builder, split="train", cache_dir=str(cache), **options)
    rows = [dict(row) for row in found]
    if kind == "tar":
        rows = [{**row["json"], "image": row["jpg"], "text": row.get("txt")} for row in rows]
    return rows


def place(out, kind, lines, *options):
    result = run_filter("shard", out, "--format", kind, "--folder-size", 7, *options, lines=lines)
    assert result.code == 0, result.err


@EVERY_CALL
def test_pictures_captions_and_columns_are_the_same(out, spooled, tmp_path, kind, builder, by):
    """Every call gives every picture with its own caption and columns, in order."""
    images = [picture(seed=n, width=40 + n) for n in range(12)]
    lines = [
        spooled.record(f"http://h/{n}", image, caption=f"one\n{n} 😀", label=n, tags=["a", n], ok=n % 2 == 0)
        for n, image in enumerate(images)
    ]
    lines.insert(3, {"url": "http://h/failed", "status": "failed", "error": "dns", "label": 99})
    place(out, kind, lines)
    rows = load(out, kind, tmp_path / "cache", builder, by)
    assert [row["label"] for row in rows] == list(range(12))
    for n, (row, image) in enumerate(zip(rows, images, strict=True)):
        assert row["image"].convert("RGB").tobytes() == Image.open(io.BytesIO(image)).convert("RGB").tobytes()
        assert (row["caption"], row["tags"], row["ok"]) == (f"one\n{n} 😀", f'["a",{n}]', n % 2 == 0)
        assert row["url"] == f"http://h/{n}"


@FORMATS
def test_captions_may_come_late(out, spooled, tmp_path, kind):
    """The first five without a caption, the others with one."""
    lines = [spooled.record(f"http://h/{n}", **({"caption": str(n)} if n > 5 else {})) for n in range(15)]
    place(out, kind, lines)
    rows = load(out, kind, tmp_path / "cache")
    assert [row["caption"] for row in rows] == [""] * 6 + [str(n) for n in range(6, 15)]
    if kind == "tar":
        assert [row["text"] for row in rows] == [row["caption"] for row in rows]


@FORMATS
@pytest.mark.parametrize("options", [[], ["--columns", "score:int,name"]])
def test_columns_may_be_null_first_and_typed_later(out, spooled, tmp_path, kind, options):
    """Null for longer than any loader looks ahead, then a value; with declared columns it keeps its type."""
    # HuggingFace reads metadata.jsonl in blocks of 10 MB.
    filler = {"caption": "x" * 100_000} if kind == "files" else {}
    lines = [spooled.record(f"http://h/{n}", score=None, name=None, **filler) for n in range(120)]
    lines.append(spooled.record("http://h/last", score=5, name="five", **filler))
    place(out, kind, lines, *options)
    last = load(out, kind, tmp_path / "cache")[-1]
    assert (last["score"], last["name"]) == (5 if options else "5", "five")


@FORMATS
def test_a_column_named_image_does_not_replace_the_picture(out, spooled, tmp_path, kind):
    """It is in `extra`, with whatever came too late to be a column."""
    lines = [spooled.record(f"http://h/{n}", image="mine", **({"late": n} if n else {})) for n in range(8)]
    place(out, kind, lines)
    rows = load(out, kind, tmp_path / "cache")
    assert all(row["image"].size == (64, 48) for row in rows)
    assert [row["extra"] for row in rows[:2]] == ['{"image":"mine"}', '{"image":"mine","late":1}']


@FORMATS
def test_a_type_that_changes_does_not_break_the_load(out, spooled, tmp_path, kind):
    """A value of another type than the column's is in `extra`."""
    lines = [spooled.record(f"http://h/{n}", score=n if n != 6 else "six") for n in range(9)]
    place(out, kind, lines)
    rows = load(out, kind, tmp_path / "cache")
    assert [row["score"] for row in rows] == [0, 1, 2, 3, 4, 5, None, 7, 8]
    assert rows[6]["extra"] == '{"score":"six"}'


@FORMATS
def test_an_appended_data_set_loads(out, spooled, tmp_path, kind):
    """A later run with other columns gives rows of the same shape."""
    place(out, kind, [spooled.record(f"http://h/{n}", label=n) for n in range(8)])
    place(out, kind, [spooled.record(f"http://h/{n}", label=n, more=n) for n in range(8, 10)])
    rows = load(out, kind, tmp_path / "cache")
    assert [row["label"] for row in rows] == list(range(10))
    assert rows[9]["extra"] == '{"more":9}'


def test_webdataset_reads_the_tars(out, spooled):
    """The library that the format is named after reads every sample, decoded, with its key."""
    lines = [spooled.record(f"http://h/{n}", key=f"a.b.{n}", caption=f"é {n}") for n in range(9)]
    place(out, "tar", lines, "--name-format", "key")
    urls = f"file:{out}/{{00000..00001}}.tar"
    reader = webdataset.WebDataset(urls, shardshuffle=False).decode("pil")
    found = list(reader.to_tuple("__key__", "jpg", "json", "txt"))
    assert [key for key, *_ in found] == [f"a_b_{n}" for n in range(9)]
    assert [text for *_, text in found] == [f"é {n}" for n in range(9)]
    assert all(image.size == (64, 48) and row["key"].startswith("a.b.") for _, image, row, _ in found)


def test_parquet_has_the_features_of_pictures(out, spooled):
    """The viewer and the loader know the picture's column by the file alone."""
    place(out, "parquet", spooled.records(3))
    found = datasets.Dataset.from_parquet(str(out.path / "00000.parquet"))
    assert found.features["image"] == datasets.Image()


@EVERY_CALL
def test_parts_load_as_one(out, spooled, tmp_path, kind, builder, by):
    """A data set in parts gives the pictures of all of them, with the columns that the first one had."""
    for part in ("a", "b"):
        images = [picture(seed=n, width=40 + n + 10 * (part == "b")) for n in range(8)]
        lines = [
            spooled.record(f"http://{part}/{n}", image, caption=f"{part} {n}", label=n)
            for n, image in enumerate(images)
        ]
        place(out, kind, lines, "--part", part)
    rows = load(out, kind, tmp_path / "cache", builder, by)
    found = sorted((row["url"], row["caption"], row["label"], row["image"].width) for row in rows)
    wide = {"a": 40, "b": 50}
    assert found == [
        (f"http://{part}/{n}", f"{part} {n}", n, wide[part] + n) for part in ("a", "b") for n in range(8)
    ]
