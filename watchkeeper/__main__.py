"""Lets `python -m watchkeeper` do what `watchkeeper` does."""

from watchkeeper.cli import main

main(prog_name="watchkeeper")
