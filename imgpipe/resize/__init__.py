"""Resizing: read the picture at a record's `path`, write one of the asked size and format.

The pieces: `options` what the user asked; `rules` which pictures are left out; `geometry` sizes, as
arithmetic; `blur` which parts are made unrecognizable; `pixels` and `codec`, the only rooms that know
Pillow, do the work on one picture; `isolate` and `child` do it in another process; `place` where files
go; `crew` the threads; `run` all of it over a stream.
"""
