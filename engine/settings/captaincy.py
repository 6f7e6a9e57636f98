"""`captaincy.yaml`: who is captain to begin with, and which agents hold a veto."""

from typing import Annotated

from pydantic import StringConstraints

from engine.settings.base import Role, Settings

AgentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class CaptaincyFile(Settings):
    """`captaincy.yaml`."""

    owner: Role = "captain"
    veto: tuple[AgentName, ...] = ()
