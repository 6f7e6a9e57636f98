"""A disk of its own, as small or as read-only as a test needs it. Only root can have one."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, *, kib: int = 256) -> Iterator[Path]:
    """A disk of so many KiB, mounted here while the block runs."""
    place.mkdir()
    mounted = os.geteuid() == 0 and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", place], check=False, capture_output=True
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("only root may mount a disk of its own")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def make_read_only(place: Path) -> None:
    """Let the disk mounted here refuse every write."""
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)
