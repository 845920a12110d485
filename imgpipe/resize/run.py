"""The stage: records of files in, records of resized files out."""

from __future__ import annotations

import os
from typing import Final

from imgpipe import media, records, spool
from imgpipe.errors import ImgpipeError, Kind, RecordError
from imgpipe.records import Record
from imgpipe.resize import blur
from imgpipe.resize.crew import Crew
from imgpipe.resize.formats import SNIFFED
from imgpipe.resize.isolate import Isolated
from imgpipe.resize.job import Job, Maker
from imgpipe.resize.options import ResizeOptions
from imgpipe.resize.place import Place
from imgpipe.stream import Emit, Source
from imgpipe.sweep import Seen
from imgpipe.tally import Tally

STAGE: Final = "resize"

_SCHEMES: Final = ("http://", "https://")

PATIENCE: Final = 0.5
"""Seconds to wait at the end for writers that closed their output just now and are about to go."""


def run(source: Source, emit: Emit, options: ResizeOptions) -> Tally:
    """Resize the picture of each record.

    Args:
        source: Records with a `path`, or a `file_name` below the root.
        emit: Takes one record for each that was read.
        options: What is asked.

    Returns:
        What became of the records.

    Raises:
        OutputError: Files or records cannot be written; what was done stays.
        UsageError: The input cannot be read, or a format that is asked for.
    """
    if rare := (options.formats or frozenset()) - SNIFFED:
        from imgpipe.resize import codec  # noqa: PLC0415 - it loads Pillow

        codec.check(rare)
    place = Place(options.folder, options.spool)
    emit.watch.at_end(place.remove)
    seen = Seen()
    makers = [_maker(options) for _ in range(options.jobs)]
    workers = [Stage(make, place, options) for make in makers]
    try:
        Crew(list(workers), emit, ordered=options.ordered, see=seen.note).run(source)
    finally:
        for make in makers:
            if isinstance(make, Isolated):
                make.close()
        emit.tally.unfinished = max(emit.tally.unfinished, source.taken - emit.tally.done)
        place.close()
    # After a signal nobody reads what is still in the pipe: its files have no record that anybody sees.
    seen.sweep(orphans=source.stop.requested, patience=PATIENCE)
    return emit.tally


def _maker(options: ResizeOptions) -> Maker:
    if options.isolate:
        return Isolated(options)
    from imgpipe.resize import codec  # noqa: PLC0415 - Pillow is loaded when there is work for it

    codec.prepare(options)
    return codec.Codec(options)


class Stage:
    """What is done to one record, around the work on its picture. For one thread.

    Args:
        make: Does the work on the picture.
        place: Takes the new files.
        options: What is asked.
    """

    def __init__(self, make: Maker, place: Place, options: ResizeOptions) -> None:
        self._make = make
        self._place = place
        self._options = options

    def __call__(self, record: Record) -> Record:
        """The record with its new file, or as failed or skipped, without a spooled file."""
        try:
            return self._resized(record)
        except RecordError as error:
            failure = _with_name(error, record)
        except ImgpipeError:
            raise
        except Exception as error:  # noqa: BLE001 - one record's trouble is never the stream's
            failure = RecordError(Kind.INTERNAL, f"{type(error).__name__}: {error}")
        spool.discard(record)
        return records.fail(record, STAGE, failure)

    def _resized(self, record: Record) -> Record:
        options = self._options
        path = source_path(record, options.root)
        regions = blur.regions(record.get(options.blur), options.blur) if options.blur is not None else ()
        made = self._make(Job(path, regions))
        if made.unchanged and self._place.folder is None:
            record["path"] = path
            record["spooled"] = spool.owned_path(record) is not None
        else:
            new = self._place.put(made.data, media.extension(made.media_type), record, path)
            spool.discard(record)
            record["path"] = new
            record["spooled"] = self._place.folder is None
        record["bytes"] = len(made.data)
        record["media_type"] = made.media_type
        record["width"], record["height"] = made.size
        record["original_width"], record["original_height"] = made.original
        if made.exif is not None:
            record["exif"] = made.exif
        return records.succeed(record)


def _with_name(error: RecordError, record: Record) -> RecordError:
    """The error, with the user's file in its detail: of such a record nothing else tells which it was."""
    path = record.get("path")
    if (
        record.get("url")
        or record.get("spooled") is True
        or not isinstance(path, str)
        or path in error.detail
    ):
        return error
    return RecordError(error.kind, f"{path}: {error.detail}")


def source_path(record: Record, root: os.PathLike[str] | None) -> str:
    """The absolute path of a record's picture.

    Raises:
        RecordError: `missing_file` where the record names none.
    """
    path = record.get("path")
    if isinstance(path, str) and path:
        if path.lower().startswith(_SCHEMES):
            raise RecordError(Kind.MISSING_FILE, f"{path}: a URL, no path; imgpipe fetch downloads it")
        return os.path.abspath(path)
    name = record.get("file_name")
    if not isinstance(name, str) or not name:
        raise RecordError(Kind.MISSING_FILE, "the record has no path")
    if root is None:
        raise RecordError(Kind.MISSING_FILE, f"{name}: --root tells where a file_name is looked for")
    if os.path.isabs(name) or ".." in name.split("/"):
        raise RecordError(Kind.MISSING_FILE, f"{name} leads out of the root")
    return os.path.join(os.path.abspath(root), name)
