from __future__ import annotations

import base64
import hashlib
import re

import pytest
from helpers import run_filter
from hypothesis import given, settings
from hypothesis import strategies as st
from report.pages import Page

from imgpipe.errors import Kind
from imgpipe.report import content, page
from imgpipe.report.bins import Timeline
from imgpipe.report.facts import Facts
from imgpipe.report.options import ReportOptions
from imgpipe.report.places import Holder, Place
from imgpipe.report.run import Gathered
from imgpipe.report.text import visible

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)

NASTY = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]><svg onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    'http://a.example/" onclick="alert(1)',
    "{{ 7 * 7 }}{% raw %}",
    "\u202egpj.exe",
    "\x1b]0;owned\x07",
    "\ud800",
    "=cmd|' /C calc'!A0",
    "x" * 3000,
]


def page_of(rows) -> str:
    facts = Facts(20)
    for row in rows:
        facts.add(row, Place(Holder.PATH))
    gathered = Gathered(facts, Timeline(), "", None, growing=False)
    return page.render(content.of(gathered, ReportOptions(), 1.7e9, "0")).decode()


def assert_harmless(source: str) -> Page:
    """Only elements of the template, no handler, no address but plain ones, nothing unseen."""
    found = Page(source)
    assert len(found.all("script")) == 2
    assert not {"iframe", "object", "embed", "base", "foreignobject", "image", "use"} & {
        tag for tag, _ in found.elements
    }
    for tag, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )
        for name in ("href", "src"):
            target = attributes.get(name)
            assert target is None or re.match(
                r"https?://|#|data:(image/(webp|jpeg);base64,|,$)", target, re.IGNORECASE
            )
        if (attributes.get("href") or "").startswith("http"):
            assert attributes["rel"] == "noreferrer noopener"
    assert not UNSEEN.search(source)
    return found


TEXT = st.text(st.characters(), max_size=60) | st.sampled_from(NASTY)
VALUE = TEXT | st.none() | st.booleans() | st.integers() | st.floats() | st.lists(TEXT, max_size=2)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "url": TEXT.map(lambda text: f"https://{text}") | VALUE,
        "caption": VALUE,
        "key": VALUE,
        "status": st.sampled_from(["ok", "failed", "skipped"]) | VALUE,
        "error": st.sampled_from(["dns", "http_status", "too_small"]) | VALUE,
        "stage": st.sampled_from(["fetch"]) | VALUE,
        "detail": VALUE,
        "media_type": st.sampled_from(["image/png"]) | VALUE,
        "path": VALUE,
        "file_name": VALUE,
        **{
            name: st.integers(-5, 5000) | VALUE
            for name in ("bytes", "seconds", "width", "height", "original_width", "attempts", "http_status")
        },
    },
) | st.dictionaries(TEXT, VALUE, max_size=5)


@settings(max_examples=40)
@given(st.lists(ROW, max_size=8))
def test_any_record_is_shown_as_text(rows):
    """Whatever fields hold, the page has no element, handler, address or unseen character of theirs."""
    found = assert_harmless(page_of(rows))

    assert len(found.data) == len(rows)


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("status", ["ok", "failed"])
def test_hostile_text_in_every_field_is_shown(text, status):
    """It stands where text stands, as it is or with its unseen characters escaped."""
    row = dict.fromkeys(("url", "caption", "key", "detail", "stage", "extra", text), text)
    row |= {"status": status, **({"error": text} if status == "failed" else {})}

    found = assert_harmless(page_of([row]))

    shown = [value.removesuffix("…") for name, value in found.data[0]["fields"] if name == "caption"]
    assert shown == [visible(text, 400).removesuffix("…")]


def test_the_policy_names_what_is_in_the_page_and_nothing_else():
    """The digests are those of its style and its script; nothing may be fetched."""
    source = page_of([])

    policy = next(meta["content"] for meta in Page(source).all("meta") if "http-equiv" in meta)
    for tag in ("style", "script"):
        inner = re.search(rf"<{tag}>(.*?)</{tag}>", source, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert policy.endswith(
        "; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    assert "unsafe" not in policy
    assert "http" not in policy


def test_a_page_is_bounded_whatever_the_records_hold():
    """Hundreds of records of sixty kilobytes each make no page of over 3 MB."""
    text = "図" * 1000
    row = {
        "status": "failed",
        "stage": "fetch",
        "detail": text,
        "caption": text,
        **{f"f{i}": text for i in range(20)},
    }
    lines = [{**row, "url": f"https://h{n}.example/{n}", "error": list(Kind)[n % 20]} for n in range(600)]

    result = run_filter("report", lines=lines)

    assert result.code == 0, result.err
    assert len(result.out) < 3_000_000
