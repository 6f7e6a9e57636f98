"""`mcp.yaml`: what the calls of MCP servers' tools are proposed as."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.base import Seconds, Settings
from engine.settings.hooks import AnyCallSection, CallSection, Capability

# No `__`, which parts the server from the tool; nothing that would mean more in a pattern or a file's name.
ServerName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(_[A-Za-z0-9.-]+)*$", max_length=64)
]


class ServerSection(Settings):
    """One server."""

    capability: Capability
    deadline_s: Annotated[Seconds, Field(ge=1, le=590)]
    wait_s: Annotated[Seconds, Field(ge=0, le=86_400)]
    approval_s: Seconds
    calls: tuple[CallSection, ...]
    otherwise: AnyCallSection


class McpFile(Settings):
    """`mcp.yaml`."""

    servers: dict[ServerName, ServerSection]
    any_server: ServerSection

    @model_validator(mode="after")
    def _asks(self) -> Self:
        for name, server in self.servers.items():
            if server.otherwise.confidence is not None:
                raise ValueError(
                    f"{name}: otherwise.confidence: nobody knows that tool, so nobody is sure of it"
                )
        if self.any_server.otherwise.confidence is not None:
            raise ValueError(
                "any_server: otherwise.confidence: nobody knows that tool, so nobody is sure of it"
            )
        return self
