"""The file of a body, `body.yaml`: which engine it works for, and what its owner lets it use."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from engine.settings.addresses import GuardedUrl
from engine.settings.base import Settings
from engine.settings.service import SandboxSection, UndoSection

_Few = Annotated[int, Field(strict=True, ge=1, le=64)]


class BodyFile(Settings):
    """`body.yaml`. All but the engine has a default."""

    engine: GuardedUrl
    """Where the engine's HTTP API is."""
    authority: Path | None = None
    """PEM file of the authority that the engine's certificate goes back to; `None` means the system's."""
    proxy: GuardedUrl | None = None
    """An HTTP proxy on the way out; `None` means none."""
    workspace: Path | None = None
    """The folder effects work in; `None` means `workspace` in the body's own folder."""
    slots: _Few = 2
    """How many effects it performs at once."""
    drain_s: Annotated[float, Field(strict=True, ge=0.1, le=86_400)] = 30.0
    """How long a clean stop waits for what is under way."""
    protected_branches: tuple[str, ...] = ("main", "master", "production")
    sandbox: SandboxSection = SandboxSection(
        image="watchkeeper-sandbox", memory_mib=512, pids=128, cpus=1.0, output_kib=256, disk_mib=256
    )
    undo: UndoSection = UndoSection(keep=100, most_mib=1024)
