"""Drafts of policies: a policy folder in which one file says something else, checked before it is kept.

A draft is named after what is in it, and lies where nothing decides by it. The policy in force is never
written.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from engine.adapters.files import private_folder, storage_errors
from engine.core.vocabulary.ids import Digest
from engine.errors import InputError, PolicyError
from engine.ports import IN_FORCE, Draft
from engine.wiring.policies import build_policy, policy_files, read_policy

MOST_KEPT: Final = 40
"""Drafts that lie about: the newest. A replay asked for needs its own for minutes, not for weeks."""
_ABANDONED_S: Final = 3600.0
_NOTE: Final = "draft.json"
_NAME: Final = re.compile(r"draft-[0-9a-f]{16}")
_FOLDER: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


class PolicyDrafts:
    """The port `Drafts`, in folders. Safe from many threads and processes."""

    def __init__(self, folder: Path, *, in_force: Path, policies: Path) -> None:
        """Keep drafts in `folder`, and what is kept for good in `policies`. Nothing is made until one is."""
        self._folder, self._in_force, self._policies = folder, in_force, policies

    def make(self, file: str, text: str, base: str = "") -> Draft:
        """Draft a policy in which one file says something else. Raises `PolicyError` naming line and cure
        where it does not compile, `InputError` for a file or folder that is not there.
        """
        files = policy_files(self.folder(base))
        if file not in files:
            raise InputError(f"there is no file {file!r} in it", cure=f"those there are: {', '.join(files)}")
        private_folder(self._folder)
        with self._apart() as apart:
            for name, path in files.items():
                with storage_errors(path):
                    shutil.copyfile(path, apart / name)
            with storage_errors(apart / file):
                (apart / file).write_text(text.replace("\r\n", "\n"), encoding="utf-8")
            policy_hash = _checked(apart)
            digest = hashlib.sha256(base.encode())
            for name in sorted(files):
                digest.update(name.encode() + b"\0" + (apart / name).read_bytes() + b"\0")
            draft = Draft(
                name=f"draft-{digest.hexdigest()[:16]}", file=file, base=base, policy_hash=policy_hash
            )
            (apart / _NOTE).write_bytes(msgspec.json.encode(draft))
            _move(apart, self._folder / draft.name)
        os.utime(self._folder / draft.name)
        self._forget()
        return draft

    def draft(self, name: str) -> Draft:
        """Return one. Raises `InputError` when there is none of that name any more."""
        if _NAME.fullmatch(name):
            with contextlib.suppress(OSError, msgspec.DecodeError):
                return msgspec.json.decode((self._folder / name / _NOTE).read_bytes(), type=Draft)
        raise InputError(f"there is no draft {name[:40]!r} any more", cure="check the changed policy again")

    def keep(self, draft: str, name: str) -> Draft:
        """Make a policy folder of one. Raises `InputError` when the name is taken, or the draft is gone."""
        found = self.draft(draft)
        if not _FOLDER.fullmatch(name) or name == IN_FORCE or _NAME.fullmatch(name):
            raise InputError(
                f"{name[:64]!r} cannot be the name of a policy folder",
                cure="use small letters, digits, dots and dashes",
            )
        target = self._policies / name
        if target.exists():
            raise InputError(f"there is a policy {name} already", place=str(target), cure="take another name")
        private_folder(self._policies)
        with self._apart() as apart:
            for path in sorted((self._folder / draft).iterdir()):
                if path.name != _NOTE:
                    with storage_errors(path):
                        shutil.copyfile(path, apart / path.name)
            # What lay about may have been changed by hand since.
            _checked(apart)
            if not _move(apart, target):
                raise InputError(f"there is a policy {name} already", cure="take another name")
        return found

    def folder(self, name: str) -> Path:
        """Return a policy folder, or a draft; the one in force for an empty name. Raises `InputError`."""
        if name in {"", IN_FORCE}:
            return self._in_force
        if _NAME.fullmatch(name):
            self.draft(name)
            return self._folder / name
        if _FOLDER.fullmatch(name) and (self._policies / name).is_dir():
            return self._policies / name
        raise InputError(f"there is no policy {name[:64]!r}", cure="choose one from the list")

    @contextlib.contextmanager
    def _apart(self) -> Iterator[Path]:
        """Give a folder beside the drafts that is gone afterwards, unless it was moved."""
        with storage_errors(self._folder):
            apart = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            yield apart
        finally:
            shutil.rmtree(apart, ignore_errors=True)

    def _forget(self) -> None:
        """Let the oldest go."""
        for path in self._folder.glob(".new-*"):
            # A process that was killed leaves one; none takes an hour.
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)
        kept = sorted(
            (path for path in self._folder.glob("draft-*") if path.is_dir()),
            key=lambda path: path.stat().st_mtime_ns,
        )
        for path in kept[:-MOST_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def _checked(folder: Path) -> Digest:
    """Compile a policy folder and return its hash. What is wrong is said without the folder's path."""
    try:
        return build_policy(read_policy(folder)).policy_hash
    except (PolicyError, InputError) as wrong:
        place = (wrong.place or "").replace(f"{folder}{os.sep}", "").replace(str(folder), "the policy")
        raise type(wrong)(wrong.message, place=place or None, cure=wrong.cure) from wrong


def _move(folder: Path, target: Path) -> bool:
    """Give a folder its name; `False` where somebody has it already."""
    try:
        folder.rename(target)
    except OSError:
        if target.is_dir():
            return False
        with storage_errors(target):
            raise
    return True
