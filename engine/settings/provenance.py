"""`provenance.yaml`: which tools are believed how far, and which agents may say what a person said."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from engine.core.vocabulary.provenance import Trust
from engine.settings.base import Role, Settings
from engine.settings.captaincy import AgentName

ToolName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ProvenanceFile(Settings):
    """`provenance.yaml`."""

    owner: Role = "captain"
    unlabelled: Literal["records", "untrusted"] = "records"
    tools: dict[ToolName, Trust] = {}
    vouchers: tuple[AgentName, ...] | None = None
