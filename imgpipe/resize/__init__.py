"""Resizing: read the picture at a record's `path`, write one of the asked size and format.

options           what the user asked
rules geometry    which pictures are left out; sizes; as arithmetic
blur exif         which parts are blurred; EXIF as JSON
job               what goes into the work on one picture, and what comes out
codec pixels      that work; the only rooms that know Pillow
formats handles   the formats' names; files as decoders read them
memory            what is done with memory that a picture no longer needs
isolate child     the same work in another process; `wire` is what they say to each other
place             where new files go
crew run          the threads; all of it over a stream of records
"""
