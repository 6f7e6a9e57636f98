"""Where the recorded histories of others are; they are not part of this repository."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., object])
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def needs(*parts: str) -> tuple[Path, Callable[[Test], Test]]:
    """Give a file of the shared data, and what marks a test of it.

    It is skipped where the file is absent. Nor is it measured: what is covered must not hang on such a file,
    and whole histories take three times as long when they are.
    """
    path = DATA.joinpath(*parts)
    here = pytest.mark.skipif(not path.exists(), reason=f"../shared/data/{'/'.join(parts)} is not here")
    return path, lambda test: pytest.mark.unmeasured(here(test))
