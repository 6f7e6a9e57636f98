"""What a hook keeps between two calls: its table, and which proposal a call belongs to.

Files in the folder `hooks` of the state folder. Nothing in them authorises anything: a held decision's file
only says which proposal to ask about, and losing one costs an approval, never a refusal.
"""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from engine.adapters.files import private_folder, storage_errors
from engine.errors import Forbidden, StorageError

_STALE_S: Final = 7 * 86_400
_MOST_BYTES: Final = 4096
# No id of a proposal has such a character.
_ASKED: Final = "?"


class Noted(Struct, frozen=True, kw_only=True):
    """What a call belongs to that was about to run."""

    proposal_id: str
    asked_as: str = ""
    """The name under which it is held, where somebody at the agent's own prompt is asked about it."""


class Kept:
    """The folder `hooks` of one state folder."""

    def __init__(self, home: Path) -> None:
        """Nothing is made yet."""
        self.folder = home / "hooks"

    @property
    def policy(self) -> Path:
        """The compiled policy."""
        return self.folder / "policy.json"

    @property
    def table(self) -> Path:
        """The table of every agent, read from hooks.yaml."""
        return self.folder / "table.json"

    def token_file(self, agent: str) -> Path:
        """Where an agent's token is; mode 0600."""
        return self.folder / f"{agent}.token"

    def token(self, agent: str) -> str:
        """Return an agent's token. Raises `Forbidden` when there is none, `StorageError` when others may read
        it.
        """
        path = self.token_file(agent)
        server = agent.removeprefix("mcp-")
        cure = f"make one: watchkeeper {'hook install' if server == agent else 'mcp add'} {server}"
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise StorageError("others may read it", place=str(path), cure=f"chmod 600 {path}")
                return file.read(_MOST_BYTES).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Forbidden("no token to propose with", place=str(path), cure=cure) from error

    # ------------------------------------------------------------ which proposal a call belongs to

    def note_call(self, name: str, noted: Noted) -> None:
        """Note what a call about to run belongs to. Where two are alike, each is noted."""
        with storage_errors(self._calls), self._calls_made().joinpath(name).open("ab") as file:
            file.write(f"{noted.proposal_id}{_ASKED}{noted.asked_as}\n".encode())

    def take_call(self, name: str) -> Noted | None:
        """Return what was noted of a call that ran, and forget it; `None` when nothing was."""
        path = self._calls / name
        try:
            *before, last = path.read_text().split()
        except (OSError, ValueError):
            return None
        with contextlib.suppress(OSError):
            if before:
                path.write_text("".join(f"{each}\n" for each in before))
            else:
                path.unlink()
        proposal_id, _, asked_as = last.partition(_ASKED)
        return Noted(proposal_id=proposal_id, asked_as=asked_as)

    def note_held(self, name: str, proposal_id: str) -> None:
        """Note which proposal holds a call, so that the very same call asks about that one."""
        private_folder(self._held.parent)
        private_folder(self._held)
        path = self._held / name
        temporary = path.with_name(f"{name}.{os.getpid()}")
        with storage_errors(path):
            temporary.write_bytes(proposal_id.encode())
            temporary.replace(path)

    def held(self, name: str, within_s: float) -> str | None:
        """Return the proposal that holds a call; `None` when there is none, or its time is over."""
        path = self._held / name
        try:
            if path.stat().st_mtime + within_s < time.time():
                return None
            return path.read_bytes()[:_MOST_BYTES].decode()
        except (OSError, UnicodeDecodeError):
            return None

    def use(self, name: str) -> bool:
        """Forget a held proposal. Says whether it was there: of two that use one approval, one may."""
        try:
            (self._held / name).unlink()
        except FileNotFoundError:
            return False
        return True

    def tidy(self) -> None:
        """Forget what nobody came back for."""
        oldest = time.time() - _STALE_S
        for folder in (self._calls, self._held):
            with contextlib.suppress(OSError), os.scandir(folder) as found:
                for entry in found:
                    if entry.stat().st_mtime < oldest:
                        Path(entry.path).unlink()

    @property
    def _calls(self) -> Path:
        return self.folder / "calls"

    @property
    def _held(self) -> Path:
        return self.folder / "held"

    def _calls_made(self) -> Path:
        private_folder(self.folder)
        private_folder(self._calls)
        return self._calls


def name_of(*parts: Any) -> str:
    """Give a file a name that stands for these parts, and no others.

    >>> name_of("a", {"b": 1, "c": 2}) == name_of("a", {"c": 2, "b": 1}), name_of("ab") == name_of("a", "b")
    (True, False)
    """
    body = json.dumps(parts, sort_keys=True, separators=(",", ":")).encode(errors="surrogatepass")
    return hashlib.blake2b(body, digest_size=16).hexdigest()
