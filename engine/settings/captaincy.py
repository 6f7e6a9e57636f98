"""`captaincy.yaml`: who is captain to begin with, and which agents hold a veto."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.base import Role, Settings

PersonName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
AgentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class CaptaincyFile(Settings):
    """`captaincy.yaml`."""

    owner: Role = "captain"
    captain: PersonName | None = None
    deputy: PersonName | None = None
    confirm: Annotated[bool, Field(strict=True)] = True
    veto: tuple[AgentName, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.deputy is not None and self.captain is None:
            raise ValueError(f"deputy is {self.deputy}, but there is no captain to be deputy of; name one")
        if self.deputy is not None and self.deputy == self.captain:
            raise ValueError(f"{self.deputy} cannot be captain and deputy; name another, or null")
        return self
