"""Which form a table has, by its name, else by its first bytes."""

from __future__ import annotations

import re
from typing import Final

from imgpipe.fields import USUAL
from imgpipe.read.options import ReadOptions

_SUFFIXES: Final = {
    "txt": "txt",
    "csv": "csv",
    "tsv": "tsv",
    "tab": "tsv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
    "pq": "parquet",
}
_PACKED: Final = re.compile(r"(?i)\.(gz|bz2|xz|zst)$")

# RFC 1952 §2.3.1; the bzip2 and xz file formats; RFC 8878 §3.1.1 and, for frames to skip, §3.1.2.
_MAGIC: Final = {
    "gz": re.compile(rb"\x1f\x8b\x08"),
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\0"),
    "zst": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}

PARQUET_MAGIC: Final = b"PAR1"

SNIFFED: Final = 1 << 16
"""Bytes at the start of a table that are looked at."""


def packing(head: bytes) -> str | None:
    """How a file that begins with `head` is compressed: `gz`, `bz2`, `xz`, `zst`; None where it is not.

    The bytes decide, not the name: what is called `.gz` has often been unpacked on its way.
    """
    return next((name for name, magic in _MAGIC.items() if magic.match(head)), None)


_FOREIGN: Final = {
    b"PK\x03\x04": "a spreadsheet or a zip archive; save the table as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of the old kind; save the table as CSV",
    b"SQLite format 3\0": "a database; sqlite3 -csv -header FILE 'select …' writes a table of it",
}


def foreign(head: bytes) -> str | None:
    """What a file that begins with `head` is instead of a table, and what helps; None where it may be one."""
    return next((what for magic, what in _FOREIGN.items() if head.startswith(magic)), None)


def by_name(name: str) -> str | None:
    """The form that the suffix of a file's name tells; None where it tells none."""
    suffix = _PACKED.sub("", name).rpartition(".")[2].lower() if "." in name else ""
    return _SUFFIXES.get(suffix)


def by_content(head: bytes, options: ReadOptions) -> str:
    """The form of a table that begins with `head`, uncompressed.

    A first line is taken for names of columns only where it names the one of the URLs: a URL may hold
    commas.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(PARQUET_MAGIC):
        return "parquet"
    if text[:1] in (b"{", b"["):
        return "jsonl" if text[:1] == b"{" else "json"
    wanted = {options.url_col} if options.url_col is not None else {*USUAL["url"]}
    line = text.partition(b"\n")[0].decode("utf-8", "replace")
    if "://" in line:
        return "txt"
    for form, delimiters in (("tsv", "\t"), ("csv", ",;|")):
        for delimiter in delimiters:
            names = {name.strip().strip('"') for name in line.split(delimiter)}
            if delimiter in line and wanted & names:
                return form
    return "csv" if line.strip().strip('"') in wanted else "txt"
