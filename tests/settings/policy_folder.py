"""A copy of the shipped policy to be edited: each test changes one thing and sees what is said about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.errors import WatchkeeperError
from engine.wiring import SHIPPED_POLICY, PolicySource, read_policy


class PolicyFolder:
    """The shipped policy in a folder of its own, with the registry in the folder above."""

    def __init__(self, root: Path) -> None:
        """Copy it."""
        self.path = root / "policies"
        shutil.copytree(SHIPPED_POLICY, self.path)
        shutil.copy(SHIPPED_POLICY.parent / "actions.yaml", root / "actions.yaml")

    def file(self, name: str) -> Path:
        """Where one of its files lies."""
        return (self.path.parent if name == "actions" else self.path) / f"{name}.yaml"

    def line_of(self, name: str, text: str) -> int:
        """The number of the first line with this text."""
        lines = self.file(name).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def edit(self, name: str, old: str, new: str) -> PolicyFolder:
        """Replace the first place where a text stands; it must stand somewhere."""
        before = self.file(name).read_text()
        assert old in before, f"{name}.yaml no longer says {old!r}: adapt the test"
        self.file(name).write_text(before.replace(old, new, 1))
        return self

    def write(self, name: str, body: str | bytes) -> PolicyFolder:
        """Replace a whole file."""
        self.file(name).write_bytes(body if isinstance(body, bytes) else body.encode())
        return self

    def read(self) -> PolicySource:
        """Read it as the product does."""
        return read_policy(self.path)

    def complaint(self) -> str:
        """What is said when it is read; paths are shortened to the file's name."""
        with pytest.raises(WatchkeeperError) as refused:
            self.read()
        said = str(refused.value)
        assert "\n" not in said, "a complaint is one line"
        root = str(self.path.parent)
        return said.replace(f"{root}/policies/", "").replace(f"{root}/", "")
