"""What the tests of program runners share: a workshop with a runner's surroundings, and jobs to give it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from engine.adapters.sandbox_choice import Sandboxes
from engine.core.vocabulary.actions import Action, Parameter, RiskLevel, Running
from engine.ports import Job, Limits, Runner
from tests.sandbox.machines import NotedWatch

LIMITS = Limits(memory_mib=128, pids=32, cpus=1.0, output_kib=64, disk_mib=8, wall_us=1)
NO_ENGINE = "unix:///nowhere/docker.sock"


@dataclass
class FolderLog:
    """An undo log that keeps records in a folder, as plainly as can be."""

    folder: Path
    saves: list[str] = field(default_factory=list)

    def save(self, effect_id: str, record: Mapping[str, Any], blobs: Mapping[str, bytes | Path]) -> None:
        """Keep a record and its blobs, in place of an older one."""
        self.saves.append(effect_id)
        new = self.folder / f"{effect_id}.new"
        new.mkdir(parents=True)
        (new / "record.json").write_text(json.dumps(record))
        for name, blob in blobs.items():
            if isinstance(blob, bytes):
                (new / f"blob-{name}").write_bytes(blob)
            else:
                shutil.copyfile(blob, new / f"blob-{name}")
        shutil.rmtree(self.folder / effect_id, ignore_errors=True)
        new.rename(self.folder / effect_id)

    def load(self, effect_id: str) -> dict[str, Any] | None:
        """Return a record, or `None`."""
        path = self.folder / effect_id / "record.json"
        return json.loads(path.read_text()) if path.exists() else None

    def blob(self, effect_id: str, name: str) -> Path:
        """Return where a blob lies."""
        return self.folder / effect_id / f"blob-{name}"


@dataclass(frozen=True)
class Workshop:
    """One runner and everything it works with."""

    sandboxes: Sandboxes
    kind: str
    workspace: Path
    log: FolderLog

    def action(self, runner: str, *parameters: str, **changes: Any) -> Action:
        """Make an action; what is not of `Running` goes into its settings."""
        own = {name: changes.pop(name) for name in list(changes) if name in Running.__struct_fields__}
        running = Running(
            runner=runner, **({"timeout_us": 20_000_000, "sandbox": self.kind, "settings": changes} | own)
        )
        wanted = {name: Parameter(type="any", required=False) for name in parameters}
        return Action(name=f"{runner}.test", kind="write", risk=RiskLevel.LOW, parameters=wanted, run=running)

    def job(self, action: Action, effect_id: str = "effect-1", **args: Any) -> Job:
        """Make a job of an action."""
        return Job(
            effect_id=effect_id,
            decision_id="decision-1",
            agent="agent-1",
            capability="capability@1",
            action=action,
            args=args,
            workspace=self.workspace,
            watch=NotedWatch(),
            undo=self.log,
        )

    def make(self, runner: type, **options: Any) -> Runner:
        """Make a runner."""
        return runner(choose=self.sandboxes.choose, limits=LIMITS, **options)


def workshop(kind: str, folder: Path, request: pytest.FixtureRequest) -> Workshop:
    """Make a workshop whose programs run in one kind of sandbox."""
    home, workspace = folder / "home", folder / "workspace"
    home.mkdir()
    workspace.mkdir()
    image, url = "none", NO_ENGINE
    if kind == "docker":
        engine = request.getfixturevalue("docker_engine")
        image, url = engine.python_image, engine.url
    return Workshop(
        sandboxes=Sandboxes(home=home, image=image, docker_url=url),
        kind=kind,
        workspace=workspace,
        log=FolderLog(folder / "undo"),
    )
