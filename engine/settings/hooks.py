"""`hooks.yaml`: what the tool calls of coding agents are proposed as."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.base import Count, Name, Seconds, Settings, Usd

Agent = Literal["claude", "codex", "cursor", "gemini"]
_SOURCE = (
    r"^(\*|@(tool|server|name)|@paths:[A-Za-z0-9_.]{1,100}|[A-Za-z0-9_]{1,64}(\.[A-Za-z0-9_]{1,64})*)\??$"
)
Source = Annotated[str, StringConstraints(pattern=_SOURCE)]
ToolPattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:*?-]{1,128}$")]
Capability = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]{0,63}@[\w.-]{1,32}$")]


class AnyCallSection(Settings):
    """What a call is proposed as."""

    action: Name
    arguments: dict[str, Source]
    confidence: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    cost_usd: Usd = Decimal(0)
    files: Count | str = 0
    api_calls: Count = 0

    @model_validator(mode="after")
    def _countable(self) -> Self:
        if isinstance(self.files, str) and self.files not in self.arguments:
            raise ValueError(f"files: {self.files!r} is no argument of this line")
        return self


class CallSection(AnyCallSection):
    """The same, for the tools whose names fit."""

    tool: ToolPattern


class HeldSection(Settings):
    """What an agent is told where people must be asked first."""

    interactive: Literal["ask", "deny"]
    headless: Literal["deny", "defer"]


class AgentSection(Settings):
    """One coding agent."""

    capability: Capability
    deadline_s: Annotated[Seconds, Field(ge=1, le=590)]
    held: HeldSection
    shadowed: Literal["ask", "deny", "own"]
    approval_s: Seconds
    calls: tuple[CallSection, ...]
    otherwise: AnyCallSection


class HooksFile(Settings):
    """`hooks.yaml`."""

    agents: dict[Agent, AgentSection]

    @model_validator(mode="after")
    def _speakable(self) -> Self:
        for name, agent in self.agents.items():
            # What an agent does not understand it takes for consent.
            if name != "claude" and agent.held.headless == "defer":
                raise ValueError(f"{name}: held.headless: it cannot defer, and would run it; write deny")
            if name in {"codex", "gemini"} and "ask" in {agent.held.interactive, agent.shadowed}:
                raise ValueError(f"{name}: its hooks cannot ask, and would run the call; write deny")
        return self
