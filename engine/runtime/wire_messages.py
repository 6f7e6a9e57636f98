"""What was said in an episode, on the wire."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from engine.core.vocabulary.ids import AgentId, EpisodeId
from engine.core.vocabulary.provenance import Trust
from engine.runtime.wire_words import Request


class Message(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of an episode, as an agent tells it."""

    source: Literal["person", "tool", "agent"]
    text: str
    tool: str | UnsetType = UNSET
    """The tool that returned it."""
    asked: str | UnsetType = UNSET
    """What that tool was asked for, one thing a line."""
    trust: Trust | UnsetType = UNSET
    """How far the agent believes the tool."""


class TellMessages(Request, frozen=True, kw_only=True):
    """Journal what was said in an episode, in order. What is known already is not journalled again."""

    agent: AgentId
    episode: EpisodeId
    messages: tuple[Message, ...]
