from __future__ import annotations

from collections import Counter

import pytest
from helpers import assert_one_clear_line, run_filter

from imgpipe.cluster import summary
from imgpipe.cluster.marker import PartResult
from imgpipe.cluster.options import Job, SparkOptions
from imgpipe.cluster.session import as_process_errors, reason, settings
from imgpipe.cluster.summary import Plan, Summary


def options_with(attempts=4, **options):
    return SparkOptions(input="in.csv", job=Job(out="/out", attempts=attempts), **options)


@pytest.mark.parametrize(
    ("given", "known", "master"),
    [
        ("local", None, "local[1,12]"),
        ("local[3]", "yarn", "local[3,12]"),
        ("local[*]", None, "local[*,12]"),
        ("local[2,1]", None, "local[2,1]"),
        (None, "local[*]", "local[*,12]"),
        (None, None, "local[*,12]"),
        (None, "yarn", "yarn"),
        ("spark://h:1", "yarn", "spark://h:1"),
        ("local-cluster[2,1,1024]", None, "local-cluster[2,1,1024]"),
    ],
)
def test_tasks_are_tried_again_on_every_master(given, known, master):
    """On one machine Spark would not, unless the master says so."""
    made = settings(options_with(master=given), known)

    assert made["spark.master"] == master
    assert made["spark.task.maxFailures"] == "12"
    # On one machine its page about the run would be a port that is open to the network.
    assert made.get("spark.ui.enabled") == ("false" if master.endswith(",12]") else None)


def test_what_the_user_sets_wins():
    """Also over the master that Spark is set up for."""
    conf = (("spark.task.maxFailures", "1"), ("spark.master", "local[5]"), ("a", "b"))

    made = settings(options_with(conf=conf), "yarn")

    assert (made["spark.task.maxFailures"], made["a"], made["spark.master"]) == ("1", "b", "local[5,12]")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[PATH_NOT_FOUND] Path does not exist: file:/x. SQLSTATE: 42K03", "[PATH_NOT_FOUND] Path does not exist: file:/x. SQLSTATE: 42K03"),
        ("An error occurred while calling o.x.\n: org.apache.spark.SparkException: no master\n\tat a.b(C.java:1)", "no master"),
        ("Traceback:\n  File x\nimgpipe.errors.ProcessError: shard\x1b exited\n", "shard\\x1b exited"),
        (": a.SparkException: [X] reading a.csv.\n\tat b(C.java:1)\nCaused by: a.E.FooException: other header\n\tat d", "[X] reading a.csv.: other header"),
        ("", "ValueError"),
    ],
)  # fmt: skip
def test_the_reason_is_one_line(text, line):
    """Without the story of Java's and Python's frames, and with nothing that steers a terminal."""
    assert reason(ValueError(text)) == line


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["in.csv", "out", "--", "fetch | resize"], ["one shard"]),
        (["in.csv", "out", "--", "fetch | shard set"], ["leave set out of the pipe"]),
        (["in.csv", "out", "--", "fetch", "|", "shard", "--", "-x"], ["leave -x out of the pipe"]),
        (["in.csv", "out", "--", "fetch | shard --nosuch"], ["--nosuch"]),
        (["in.csv", "out", "--", "fetch | shard --failed x"], ["--failed"]),
        (["in.csv", "out", "--conf", "spark.x"], ["NAME=VALUE"]),
        (["in.csv", "out", "--parts", "0"], ["--parts"]),
        (["in.csv"], ["OUT"]),
    ],
)
def test_a_wrong_command_line_starts_nothing(args, words, tmp_path):
    """One line, before Java is asked for anything."""
    result = run_filter("spark", *args, cwd=tmp_path)

    assert_one_clear_line(result, 2, *words)
    assert list(tmp_path.iterdir()) == []


def test_without_pyspark(tmp_path):
    """The line says what to install."""
    (tmp_path / "pyspark.py").write_text("raise ImportError('No module named pyspark')")

    result = run_filter("spark", "in.csv", "out", env={"PYTHONPATH": str(tmp_path)}, cwd=tmp_path)

    assert_one_clear_line(result, 2, "pip install 'imgpipe[spark]'")


@pytest.mark.parametrize("options", [["--parts", 8], ["--part-by", "line"]])
def test_other_parts_are_refused(tmp_path, options):
    """The same rows would come into other parts, beside those that are there."""
    folder = tmp_path / "out/__imgpipe__"
    folder.mkdir(parents=True)
    (folder / "spark.json").write_text('{"parts":16,"part_by":"host"}\n')

    result = run_filter("spark", "in.csv", "out", *options, cwd=tmp_path)

    assert_one_clear_line(result, 2, "was made in 16 parts by host; --parts 16 --part-by host goes on")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "5",
        '{"parts":0,"part_by":"host"}',
        '{"parts":100001,"part_by":"host"}',
        '{"parts":2,"part_by":"x"}',
        '{"parts":[]}',
    ],
)
def test_a_plan_that_cannot_be_read_is_refused(tmp_path, text):
    """Without it the rows might come into other parts, beside those that are there."""
    folder = tmp_path / "out/__imgpipe__"
    folder.mkdir(parents=True)
    (folder / "spark.json").write_text(text)

    result = run_filter("spark", "in.csv", "out", cwd=tmp_path)

    assert_one_clear_line(result, 2, "spark.json", "cannot be read")
    assert (folder / "spark.json").read_text() == text


def summary_of(*results):
    return Summary(input="in.csv", part_by="host", results=results, starting=1.0, seconds=1.0)


def test_a_kind_from_outside_reaches_no_terminal_as_it_is():
    """Records that failed before the pipe may name any kind."""
    kinds = Counter({"\x1b[31mred": 2, "x" * 900: 1})

    (line,) = summary_of(PartResult(name="00000", kinds=kinds)).lines()

    assert line.isprintable()
    assert len(line) < 300


def test_a_run_of_which_very_many_parts_failed_can_be_continued(tmp_path):
    """Its summary, with a line about each, still tells how the input was cut."""
    results = tuple(PartResult(name=f"{n:05d}", error="no space left on the disk " * 12) for n in range(5000))

    summary.write(str(tmp_path), summary_of(*results))

    assert summary.plan_before(str(tmp_path)) == Plan(5000, "host")


@pytest.mark.spark
def test_without_java(tmp_path):
    """The line says what does not start."""
    pytest.importorskip("pyspark", reason="pyspark is not installed")

    result = run_filter("spark", "in.csv", "out", env={"JAVA_HOME": str(tmp_path)}, cwd=tmp_path)

    assert_one_clear_line(result, 2, "Spark does not start", f"{tmp_path}/bin/java")


def test_what_fails_after_an_interrupt_is_the_interrupt():
    """Ctrl-C is told as such, though tidying up after it fails too."""

    def interrupted():
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError("Answer from Java side is empty")

    with pytest.raises(KeyboardInterrupt), as_process_errors("Spark gave up"):
        interrupted()
