"""Messages that agents tell, as they come in."""

from typing import Annotated, Final, Literal, Self

from msgspec import UNSET
from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine.core.vocabulary.provenance import Trust
from engine.runtime import wire

STRICT: Final = ConfigDict(frozen=True, strict=True, extra="forbid", hide_input_in_errors=True)
"""Frozen, and strict about types and keys."""


class MessageBody(BaseModel):
    """One message of an episode. `name`, `asked` and `trust` are for what a tool returned."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"source": {"const": "tool"}}},
                {
                    "properties": {
                        "name": {"maxLength": 0},
                        "asked": {"maxLength": 0},
                        "trust": {"type": "null"},
                    }
                },
            ]
        }
    )

    source: Literal["person", "tool", "agent"]
    text: Annotated[str, Field(max_length=100_000)]
    name: Annotated[str, Field(max_length=200, description="The tool")] = ""
    asked: Annotated[
        str, Field(max_length=2_000, description="For what, one thing a line: a file, a sender")
    ] = ""
    trust: Annotated[Trust | None, Field(description="How far you believe it; the policy may less")] = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.source != "tool" and (self.name or self.asked or self.trust):
            raise ValueError("name, asked and trust say where a tool's text is from; leave them out here")
        return self


class MessagesBody(BaseModel):
    """What was said in an episode."""

    model_config = STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "messages": [
                        {"source": "person", "text": "Please pay the bill 'bill-2023.txt'."},
                        {
                            "source": "tool",
                            "name": "read_file",
                            "asked": "bill-2023.txt",
                            "text": "Total 98.70\nIBAN: GB29NWBK60161331926819",
                        },
                    ]
                }
            ]
        }
    )

    messages: Annotated[list[MessageBody], Field(min_length=1, max_length=100)]


def messages_of(bodies: list[MessageBody]) -> tuple[wire.Message, ...]:
    """Return messages as the engine takes them."""
    return tuple(
        wire.Message(
            source=body.source,
            text=body.text,
            tool=body.name or UNSET,
            asked=body.asked or UNSET,
            trust=body.trust or UNSET,
        )
        for body in bodies
    )
