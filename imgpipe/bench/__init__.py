"""What shows and measures the pipe: an embedded server, the comparison of fetch's modes, the demo.

It reaches the stages only as subprocesses, so that what is shown and measured is what users run.
"""
