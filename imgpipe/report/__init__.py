"""A page to look at: what was placed, what failed and why, in one file that needs no network."""
