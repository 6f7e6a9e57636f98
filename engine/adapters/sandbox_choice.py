"""Which sandbox a program gets: the one its action names, else the best there is, else a refusal."""

import threading
from collections.abc import Callable
from pathlib import Path

from engine.adapters.sandbox_bubblewrap import BubblewrapSandbox
from engine.adapters.sandbox_docker import DockerSandbox
from engine.adapters.sandbox_none import NoSandbox
from engine.core.vocabulary.actions import SandboxKind
from engine.errors import EffectRefused
from engine.ports import Ended, Program, Sandbox, SandboxState, Watch


class Refusing:
    """Stands where a sandbox should be and says why there is none. It runs nothing."""

    def __init__(self, state: SandboxState) -> None:
        """Keep what is to be said."""
        self._state = state

    @property
    def workspace(self) -> str:
        """Empty."""
        return ""

    @property
    def python(self) -> str:
        """Empty."""
        return ""

    def describe(self) -> SandboxState:
        """Say why there is none."""
        return self._state

    async def run(self, program: Program, watch: Watch) -> Ended:  # noqa: ARG002 - it runs nothing
        """Raise `EffectRefused` with the cure."""
        raise EffectRefused(
            f"there is no sandbox to run it in: {self._state.why}",
            place=program.effect_id,
            cure=self._state.cure,
        )

    def close(self) -> None:
        """Nothing is held."""


class Sandboxes:
    """All sandboxes of one machine. Each is made when it is first wanted and kept."""

    def __init__(self, *, home: Path, image: str, docker_url: str | None = None) -> None:
        """Name the state folder, the Docker image, and the engine; `docker_url=None` means the usual one."""
        self._makers: dict[str, Callable[[], Sandbox]] = {
            "docker": lambda: DockerSandbox(home=home, image=image, url=docker_url),
            "bubblewrap": lambda: BubblewrapSandbox(home=home),
            "none": lambda: NoSandbox(home=home),
        }
        self._made: dict[str, Sandbox] = {}
        self._chosen: dict[SandboxKind, Sandbox] = {}
        self._lock = threading.Lock()

    def choose(self, kind: SandboxKind) -> Sandbox:
        """Return the sandbox for a kind, tried out. Takes up to a few seconds the first time.

        `auto` is Docker where an engine answers and has the image, else bubblewrap where that works; never
        `none`. A choice that works is kept; where there is none, the next call looks again.
        """
        with self._lock:
            if kind not in self._chosen:
                tried = [
                    self._sandbox(name) for name in (("docker", "bubblewrap") if kind == "auto" else (kind,))
                ]
                states = [sandbox.describe() for sandbox in tried]
                working = [sandbox for sandbox, state in zip(tried, states, strict=True) if state.working]
                if not working:
                    return Refusing(_refusal(states))
                self._chosen[kind] = working[0]
            return self._chosen[kind]

    def describe(self) -> tuple[SandboxState, ...]:
        """Say how `auto` does on this machine, then how each backend does: for `watchkeeper doctor`."""
        auto = self.choose("auto").describe()
        with self._lock:
            return (auto, *(self._sandbox(name).describe() for name in self._makers))

    def close(self) -> None:
        """Let go of what the sandboxes hold. Closing twice is harmless."""
        with self._lock:
            for sandbox in self._made.values():
                sandbox.close()
            self._made.clear()
            self._chosen.clear()

    def _sandbox(self, name: str) -> Sandbox:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]


def _refusal(states: list[SandboxState]) -> SandboxState:
    return SandboxState(
        backend="refusing",
        working=False,
        why="; ".join(f"{state.backend}: {state.why}" for state in states),
        cure=", or ".join(state.cure for state in states if state.cure),
    )
