"""Lets `python -m watchkeeper` do what `watchkeeper` does."""

from watchkeeper.cli import main

# A process of ours that starts another one has this module imported there under another name.
if __name__ == "__main__":
    main(prog_name="watchkeeper")
