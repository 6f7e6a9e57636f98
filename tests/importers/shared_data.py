"""Where the recorded histories of others are; they are not part of this repository."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def needs(*parts: str) -> tuple[Path, pytest.MarkDecorator]:
    """Give a file of the shared data, and the mark that skips a test where it is absent."""
    path = DATA.joinpath(*parts)
    return path, pytest.mark.skipif(not path.exists(), reason=f"../shared/data/{'/'.join(parts)} is not here")
