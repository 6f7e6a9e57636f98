"""What the runners' tests are made of: one effect at a time, with a watch that notes what it is told."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.adapters.undo_log import FolderUndoLog
from engine.core.vocabulary.actions import Action, Parameter, RiskLevel, Running
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, DecisionId, EffectId
from engine.errors import Stopped
from engine.ports import Job


class NotingWatch:
    """A watch without a fence behind it: a stop is a flag, and what it is told is kept."""

    def __init__(self, *, stopped: bool = False) -> None:
        self.stopped = stopped
        self.inside = False
        self.begun = 0
        self.processes: list[int] = []
        self.before = lambda: None

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        if self.stopped:
            raise Stopped("everything is stopped", cure="a captain may lift it")
        self.before()
        self.inside, self.begun = True, self.begun + 1
        try:
            yield
        finally:
            self.inside = False

    def process(self, pid: int) -> None:
        self.processes.append(pid)

    def container(self, container_id: str) -> None:
        raise AssertionError("no runner here starts a container of its own")


def action(
    name: str,
    runner: str,
    settings: dict[str, Any],
    *,
    parameters: dict[str, Parameter] | None = None,
    timeout_s: float = 20,
    network: tuple[str, ...] = (),
    kind: str = "write",
) -> Action:
    """An action that this runner performs with these settings."""
    return Action(
        name=ActionName(name),
        kind=kind,
        risk=RiskLevel.LOW,
        parameters=parameters or {},
        run=Running(runner=runner, settings=settings, timeout_us=int(timeout_s * 1e6), network=network),
    )


class Bench:
    """A workspace and an undo log, and jobs in them."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.undo = FolderUndoLog(folder / "undo")

    def job(
        self,
        action: Action,
        args: dict[str, Any] | None = None,
        *,
        effect: str = "d_1",
        watch: NotingWatch | None = None,
    ) -> Job:
        return Job(
            effect_id=EffectId(effect),
            decision_id=DecisionId("d_1"),
            agent=AgentId("coder-1"),
            capability=CapabilityId("code@1"),
            action=action,
            args=args or {},
            workspace=self.workspace,
            watch=watch or NotingWatch(),
            undo=self.undo,
        )

    def tree(self) -> dict[str, Any]:
        """Every file, link and folder of the workspace, with content and mode."""
        found: dict[str, Any] = {}
        for path in sorted(self.workspace.rglob("*")):
            name = path.relative_to(self.workspace).as_posix()
            if path.is_symlink():
                found[name] = ("link", str(path.readlink()))
            elif path.is_file():
                found[name] = (path.read_bytes(), path.stat().st_mode & 0o7777)
            else:
                found[name] = "folder"
        return found
