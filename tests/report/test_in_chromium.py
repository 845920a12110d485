from __future__ import annotations

import itertools
import json

import pytest
from helpers import picture, run_filter
from report.chromium import CHROMIUM, Chromium

pytestmark = [
    pytest.mark.chromium,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]

HOSTILE = [
    "<img src=x onerror=\"document.title='owned'\">",
    "</script><script>document.title='owned'</script>",
    "\u202egpj.exe \u2066",
    "javascript:document.title='owned'",
]
LONG_HOST = "anamewithoutend" * 14 + ".example.com"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page about 60 images of two formats and 90 failures of three kinds, some of them hostile; its address."""
    folder = tmp_path_factory.mktemp("page")
    rows = []
    for number in range(60):
        kind = "PNG" if number % 4 == 0 else "JPEG"
        path = folder / f"{number}.{kind.lower()}"
        path.write_bytes(picture(120, 80, kind, seed=number))
        rows.append(
            {
                "url": f"https://host{number % 3}.example/{number}.jpg",
                "caption": HOSTILE[number] if number < len(HOSTILE) else f"picture number {number}",
                "status": "ok",
                "path": str(path),
                "bytes": 1000 + number,
                "seconds": 0.1 + number / 50,
                "media_type": f"image/{kind.lower()}",
                "width": 120,
                "height": 80,
            }
        )
    for number in range(90):
        kind = ("dns", "timeout", "http_status")[number % 3]
        rows.append(
            {
                "url": HOSTILE[number] if number < len(HOSTILE) else f"https://{LONG_HOST}/{number}.jpg",
                "status": "failed",
                "stage": "fetch",
                "error": kind,
                "detail": HOSTILE[number % len(HOSTILE)],
                "retryable": kind != "http_status",
            }
        )
    done = run_filter("report", "-o", folder / "r.html", lines=rows)
    assert done.code == 0, done.err
    return (folder / "r.html").as_uri()


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def browser(profile, page):
    """The page, freshly loaded in a window of a desk."""
    profile.fresh()
    profile.prefer("light")
    profile.size(1200)
    profile.open(page)
    return profile


def shown(browser, selector: str) -> int:
    """How many elements of this kind are seen."""
    return browser.run(
        f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.checkVisibility()).length"
    )


def focused(browser) -> str:
    """Text or name of what has the focus."""
    return browser.run("document.activeElement.textContent.trim() || document.activeElement.id")


def choose(browser, selector: str, value: str) -> None:
    """As a person chooses from a list."""
    browser.run(
        f"""(() => {{
            const list = document.querySelector({json.dumps(selector)});
            list.value = {json.dumps(value)};
            list.dispatchEvent(new Event("input", {{bubbles: true}}));
        }})()"""
    )


def tab_to(browser, selector: str, most=80) -> None:
    """Press the tabulator until an element of this kind has the focus."""
    for _ in range(most):
        if browser.run(f"document.activeElement.matches({json.dumps(selector)})"):
            return
        browser.press("Tab")
    pytest.fail(f"the tabulator never comes to {selector}")


def test_it_is_shown_without_a_complaint_or_a_request(browser, page):
    """The console stays empty, every picture is there, and nothing is asked for but the file itself."""
    browser.run("document.querySelectorAll('img').forEach((image) => { image.loading = 'eager'; })")
    browser.run("Promise.all([...document.images].map((image) => image.decode()))")

    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [page]
    assert browser.run("[...document.images].every((image) => image.naturalWidth > 0)")
    assert shown(browser, "svg.chart") == 3
    assert browser.run("document.title") == "Records on standard input: imgpipe report"


def test_hostile_text_is_text(browser):
    """Captions, details and URLs that are code are read as they stand, and are no links."""
    text = browser.run("document.body.textContent")

    assert HOSTILE[0] in text
    assert "\\u202egpj.exe" in text
    assert browser.run("document.title") != "owned"
    assert browser.run("[...document.links].every((link) => /^(https?:|file:.*#)/.test(link.href))")
    assert browser.run(
        "[...document.querySelectorAll('a[target]')].every((a) => a.rel === 'noreferrer noopener')"
    )


def test_the_policy_stops_what_is_put_in(browser):
    """Even if markup came into the page, its script would not run and its picture not be fetched."""
    browser.run(
        """(() => {
            const script = document.createElement("script");
            try { script.textContent = "document.title = 'owned'"; document.body.append(script); } catch {}
            const image = new Image();
            image.src = "http://127.0.0.1:9/a.png";
            document.body.append(image);
        })()"""
    )
    browser.settle()

    assert browser.run("document.title") != "owned"
    assert any("Content Security Policy" in text for text in browser.complaints)


def test_filters_by_mouse(browser):
    """Kind, host, format and text narrow what is shown, together; a click clears them."""
    assert (shown(browser, "#wall .entry"), shown(browser, "#rows .entry")) == (48, 16)
    choose(browser, "#filter-kind", "ok")
    assert (shown(browser, "#wall .entry"), shown(browser, "#rows")) == (48, 0)
    choose(browser, "#filter-form", "png")
    assert shown(browser, "#wall .entry") == 15
    choose(browser, "#filter-host", "host0.example")
    assert shown(browser, "#wall .entry") == 5
    browser.click("#filter-text")
    browser.type("NUMBER 12")
    assert shown(browser, "#wall .entry") == 1
    assert browser.run("document.getElementById('filter-count').textContent") == "1 of 150 in the sample"

    browser.type("zzz")
    assert (shown(browser, ".entry"), shown(browser, "#nothing")) == (0, 1)

    browser.click("#clear")
    assert (shown(browser, "#wall .entry"), shown(browser, "#rows .entry"), shown(browser, "#nothing")) == (
        48,
        16,
        0,
    )


def test_a_kind_of_failure_leads_to_its_records(browser):
    """The button inside a kind sets the filter and brings the focus there."""
    browser.click(".failure summary")
    browser.click(".failure .show")

    assert browser.run("document.getElementById('filter-kind').value").startswith("kind ")
    assert (shown(browser, "#wall"), shown(browser, "#rows .entry")) == (0, 16)
    assert browser.run("document.activeElement.id") == "filter-kind"


def test_more_are_shown_when_asked_for(browser):
    """A long list opens at a click, and the focus is on the first that is new."""
    browser.click("#rows ~ .after .more")

    assert shown(browser, "#rows .entry") == 90
    assert browser.run("[...document.querySelectorAll('#rows button')].indexOf(document.activeElement)") == 16


def test_a_picture_opens_with_its_record(browser):
    """A click shows the picture, all fields and a link; the arrows go on; a click beside closes."""
    browser.click("#wall .tilebutton")
    assert shown(browser, "#viewer img") == 1
    assert HOSTILE[0] in browser.run("document.getElementById('fields').textContent")
    assert browser.run("document.getElementById('viewer-link').href") == "https://host0.example/0.jpg"
    assert browser.run("document.getElementById('place').textContent") == "1 of 150"

    browser.click("#next")
    assert browser.run("document.getElementById('viewer-title').textContent") == HOSTILE[1]

    browser.click("#close")
    assert shown(browser, "#viewer") == 0


def test_a_record_with_a_hostile_url_has_no_link(browser):
    """What is no plain address is shown, and cannot be followed."""
    choose(browser, "#filter-kind", "kind dns")
    browser.click("#filter-text")
    browser.type("javascript:")
    browser.click("#rows .rowbutton")

    assert shown(browser, "#viewer") == 1
    assert shown(browser, "#viewer-link") == 0
    assert "javascript:" in browser.run("document.getElementById('fields').textContent")


def test_all_of_it_by_keyboard(browser):
    """From the skip link to the record of a picture and back, with the focus always seen."""
    browser.press("Tab")
    assert focused(browser) == "Skip to the report"
    browser.press("Enter")
    tab_to(browser, ".failure summary")
    browser.press("Enter")
    assert browser.run("document.activeElement.parentElement.open")
    tab_to(browser, "#filter-text")
    browser.type("number 9")
    assert shown(browser, "#wall .entry") == 1
    tab_to(browser, ".tilebutton")
    assert browser.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    assert browser.run("document.getElementById('viewer').open")
    assert browser.run("document.activeElement.id") == "close"
    browser.press("Escape")
    assert not browser.run("document.getElementById('viewer').open")
    assert browser.run("document.activeElement.matches('.tilebutton')")


def test_arrows_go_through_the_records(browser):
    """Right and left show the next and the one before; closing comes back to the one shown last."""
    tab_to(browser, ".tilebutton")
    browser.press(" ")
    browser.press("ArrowRight")
    browser.press("ArrowRight")
    browser.press("ArrowLeft")
    assert browser.run("document.getElementById('place').textContent") == "2 of 150"
    browser.press("Escape")

    assert browser.run("document.activeElement.dataset.number") == "1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_the_system_until_somebody_chooses(browser, scheme):
    """Light and dark are the system's; the button turns it round, and its name says to what."""
    other = {"light": "dark", "dark": "light"}[scheme]
    is_light = "parseInt(getComputedStyle(document.body).backgroundColor.slice(4)) > 128"
    name = "document.getElementById('theme-name').textContent.toLowerCase()"
    browser.prefer(scheme)
    browser.until(is_light, scheme == "light")
    browser.until(name, other)

    for wanted, next_one in ((other, scheme), (scheme, other)):
        browser.click("#theme")
        browser.until(is_light, wanted == "light")
        browser.until(name, next_one)


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_phone_never_scrolls_sideways(browser, page, width):
    """The page is as wide as the screen, with names of hosts that have no end, and what is touched is large."""
    browser.size(width, 740, phone=True)
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")

    assert browser.run("document.documentElement.scrollWidth") == width
    beyond = f"(e) => e.checkVisibility() && e.getBoundingClientRect().right > {width}"
    words = "[...document.querySelectorAll('bdi, p, dd, td')].filter((e) => !e.closest('.caption'))"
    assert browser.run(f"{words}.filter({beyond}).map((e) => e.textContent)") == []
    browser.click(".tilebutton")
    assert browser.run("document.getElementById('viewer').getBoundingClientRect().right") <= width
    small = "[...document.querySelectorAll('button, select, input')].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24)"
    assert browser.run(f"{small}.length") == 0


CONTRAST = """(() => {
    const lightness = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((v) => {
            v /= 255;
            return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (!/, 0\\)$/.test(colour) && colour !== "transparent") return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const bad = [];
    for (const element of document.querySelectorAll("body *")) {
        const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!words || !element.checkVisibility() || element.closest(".skip, .unseen, option, title")) continue;
        const style = getComputedStyle(element);
        const inside = element.closest("svg");
        const front = lightness(inside ? style.fill : style.color), back = lightness(behind(element));
        const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
        if (ratio < 4.5) bad.push([element.outerHTML.slice(0, 100), ratio]);
    }
    return bad;
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(browser, scheme):
    """Every word has the contrast that WCAG 2.2 asks for (1.4.3: 4.5 to 1), in light and dark."""
    browser.prefer(scheme)
    browser.run("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    browser.settle()

    assert browser.run(CONTRAST) == []


def test_everything_has_a_name(browser):
    """What can be used has a name for those who cannot see it, and headings leave no level out."""
    nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
    used = {
        "button",
        "link",
        "combobox",
        "searchbox",
        "textbox",
        "DisclosureTriangle",
        "dialog",
        "region",
        "form",
        "list",
    }
    nameless = [
        node
        for node in nodes
        if not node.get("ignored")
        and node.get("role", {}).get("value") in used - {"list"}
        and not node.get("name", {}).get("value")
    ]
    assert nameless == []

    levels = browser.run(
        "[...document.querySelectorAll('h1,h2,h3')].filter((e) => !e.closest('dialog')).map((e) => Number(e.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_without_script_all_is_there(browser, page):
    """Where script is turned off, everything is shown, and no control that would do nothing."""
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert (shown(browser, ".entry"), shown(browser, "#filters, #theme, .more, .show")) == (150, 0)
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)
