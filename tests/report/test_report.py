from __future__ import annotations

import re

import pytest
from helpers import run_filter


def text_of(page: str) -> str:
    """The words of a page, one blank between them."""
    body = page.partition("<body>")[2].partition("<script")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


@pytest.mark.parametrize("form", ["files", "tar", "parquet"])
def test_a_data_set_of_each_format_is_told_of(placed, form):
    """Counts, kinds and pictures are those of the data set, wherever its images are."""
    out = placed(form)

    result = run_filter("report", out)

    assert (result.code, result.err) == (0, "")
    path = out / "__imgpipe__" / "report.html"
    assert result.out.decode() == f"{path}\n"
    page = path.read_text()
    text = text_of(page)
    assert "12 of 18 records placed" in text
    assert "http_status in fetch 3 17 %" in text
    assert page.count('src="data:image/') == 12
