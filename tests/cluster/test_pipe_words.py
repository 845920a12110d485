from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgpipe.cluster import pipe
from imgpipe.cluster.options import Columns, Job
from imgpipe.cluster.pipe import Part
from imgpipe.errors import UsageError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (("fetch",), ("resize",), ("shard",))),
        (["fetch -j 8|resize| shard --format tar"], (("fetch", "-j", "8"), ("resize",), ("shard", "--format", "tar"))),
        (["fetch", "|", "shard"], (("fetch",), ("shard",))),
        (["imgpipe", "|", "shard"], (("imgpipe",), ("shard",))),
        (["imgpipe fetch | imgpipe shard"], (("fetch",), ("shard",))),
        (["fetch | jq -c '.a | .b' | shard"], (("fetch",), ("jq", "-c", ".a | .b"), ("shard",))),
        (["jq", "-c", ".a || .b", "|", "shard"], (("jq", "-c", ".a || .b"), ("shard",))),
        (["fetch --header 'A: b' # x | shard"], (("fetch", "--header", "A: b", "#", "x"), ("shard",))),
        (["shard"], (("shard",),)),
    ],
)  # fmt: skip
def test_a_pipe_is_one_text_or_words(words, expected):
    """What the shell hands over as words, and what stands in one text, is the same pipe."""
    assert pipe.parse(words) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("fetch | | shard", "missing"),
        ("| shard", "missing"),
        ("shard |", "missing"),
        ("fetch > x | shard", ">"),
        ("fetch '' > x | shard", ">"),
        ("fetch && shard", "&&"),
        ("fetch || shard", "||"),
        ("fetch 'x | shard", "quot"),
        ("fetch | resize", "shard"),
        ("shard | shard", "shard"),
        ("fetch | shard --part 3", "--part"),
        ("fetch | shard --input=x", "--input"),
        ("fetch | shard --failed x", "--failed"),
        ("", "missing"),
    ],
)
def test_what_is_no_pipe_is_told(text, word):
    """It is refused before anything starts."""
    with pytest.raises(UsageError) as found:
        pipe.parse([text])

    assert word in str(found.value)


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1).filter(
    lambda word: not set(word) <= set("();<>|&")
)


@given(st.lists(st.builds(lambda words: ("jq", *words), st.lists(WORDS)), max_size=3))
def test_words_stay_what_they_are(programs):
    """Whatever an argument holds, quoted it arrives whole, also with a bar within."""
    pipe_of_all = (*programs, ("shard",))

    assert pipe.parse([" | ".join(map(shlex.join, pipe_of_all))]) == pipe_of_all


def completed(text, **options):
    job = Job(out="/data/out", pipe=pipe.parse([text]), **options)
    return [" ".join(words) for words in pipe.complete(job, Part("00003", "/tmp/x/00003.jsonl", "/py"))]


def test_each_stage_gets_what_its_part_needs():
    """The stages run by the executor's own Python, read and write this part only, and stay quiet."""
    assert completed("fetch -j 8 | jq . | shard --format tar", wait=60) == [
        "/py -P -m imgpipe fetch -q --resume /data/out --part 00003 -j 8",
        "jq .",
        "/py -P -m imgpipe shard -q /data/out --part 00003 --input /tmp/x/00003.jsonl --wait 60 --format tar",
    ]


def test_what_the_pipe_says_itself_stands():
    """An own --resume, --wait or -v is left as it is."""
    assert completed("fetch --resume /old -v | shard --wait=5") == [
        "/py -P -m imgpipe fetch --resume /old -v",
        "/py -P -m imgpipe shard -q /data/out --part 00003 --input /tmp/x/00003.jsonl --wait=5",
    ]


def test_columns_are_handed_on():
    """Names with commas and quotes arrive as they are."""
    columns = Columns(url="-u", key="k", caption="c", others=("a,b", 'say "x"'))

    words = pipe.reading(columns, "/py")

    assert words[3:] == (
        "imgpipe", "read", "-q", "--format", "jsonl", "--url-col=-u", "--key-col=k", "--caption-col=c",
        '--columns="a,b","say ""x"""', "-",
    )  # fmt: skip
    assert pipe.reading(Columns(), "/py")[5:] == ("-q", "--format", "jsonl", "-")
