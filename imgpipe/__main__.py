"""`python -m imgpipe` is the command `imgpipe`."""

from imgpipe.cli import main

main()
