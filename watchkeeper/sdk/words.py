"""What an agent sends, and what it is told: frozen, and of an answer only what an agent goes by."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from watchkeeper.sdk.errors import Invalid

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")
_LONGEST_TEXT: Final = 100_000


class Impact(Struct, frozen=True, kw_only=True):
    """What an action is expected to touch. Limits and budgets go by it."""

    cost_usd: Decimal | float | int | str = 0
    files: int = 0
    api_calls: int = 0


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was said in an episode. `name`, `asked` and `trust` are for what a tool returned.

    What the service would refuse is refused where it is made: later it would stand in the way of every
    proposal of its episode. Raises `Invalid`.
    """

    source: Literal["person", "tool", "agent"]
    """Who said it. What the agent itself wrote counts for nothing."""
    text: str
    """At most 100,000 characters."""
    name: str = ""
    """The tool."""
    asked: str = ""
    """What the tool was asked for, one thing a line: a file, a sender."""
    trust: Literal["trusted", "records", "untrusted"] | None = None
    """How far you believe it; `None`: as the policy says, which may believe it less in any case."""

    def __post_init__(self) -> None:
        """Look at what nobody could mend any more once it is part of a conversation."""
        place = self.name or self.source
        if self.source not in {"person", "tool", "agent"}:
            raise Invalid("is no source of a message", place=place, cure="person, tool or agent")
        if self.source != "tool" and (self.name or self.asked or self.trust):
            raise Invalid("name, asked and trust are of a tool's text", place=place, cure="leave them out")
        if self.trust not in {None, "trusted", "records", "untrusted"}:
            raise Invalid(f"{self.trust!r} is no trust", place=place, cure="trusted, records or untrusted")
        for label, text, most in (
            ("text", self.text, _LONGEST_TEXT),
            ("name", self.name, 200),
            ("asked", self.asked, 2_000),
        ):
            if len(text) > most:
                cure = "tell it in parts that can be read alone" if label == "text" else "shorten it"
                raise Invalid(f"{label} has {len(text):,} characters, over {most:,}", place=place, cure=cure)
            try:
                text.encode()
            except UnicodeEncodeError as error:
                cure = 'decode what was read with errors="replace"'
                raise Invalid(f"{label} cannot be sent: {error.reason}", place=place, cure=cure) from error


class Proposal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent wants to do, with exact arguments. The agent is the token's."""

    action: str
    """A name of the action registry, such as `ticket.create`."""
    capability: str
    """The piece of logic it is proposed under, with its version: `triage@1`."""
    args: dict[str, Any] = {}
    episode: str = ""
    """The incident, task or conversation it belongs to; empty when it stands alone."""
    environment: str = ""
    impact: Impact = Impact()
    confidence: float | None = None
    """How sure the agent is, 0 to 1; `None` counts as 0."""
    rationale: str = ""
    context: tuple[Message, ...] = ()
    """What was said in the episode, in order: at most 50 messages, for more there is `Client.tell`."""

    def body(self) -> bytes:
        """Return it as a request's body. Raises `Invalid` when it cannot be written as JSON."""
        try:
            return _ENCODER.encode(_finite(msgspec.to_builtins(self, builtin_types=(Decimal,))))
        except (TypeError, ValueError, RecursionError) as error:
            raise Invalid(
                f"the arguments cannot be sent: {error}",
                place=self.action,
                cure="give plain values: text, finite numbers, lists, and dicts with text as keys",
            ) from error


def _finite(value: Any) -> Any:
    """Refuse numbers that JSON does not have: they would arrive as null, and be decided as such."""
    if isinstance(value, float) and value - value != 0:
        raise ValueError(f"{value} is no finite number")
    for each in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    ):
        _finite(each)
    return value


class Reason(Struct, frozen=True, kw_only=True):
    """One gate that did not simply allow."""

    gate: str
    ruling: str
    reason: str
    rule: str
    owner: str
    """The role that may change the rule."""


class Wait(Struct, frozen=True, kw_only=True):
    """One thing that a held decision waits for."""

    kind: str
    role: str
    needed: int = 1
    within_us: int | None = None
    """For how long from the decision on, microseconds; `None`: as long as the policy holds anything."""


class Question(Struct, frozen=True, kw_only=True):
    """What somebody asks the agent about what it wants."""

    nth: int
    by: str
    question: str
    answer: str | None
    """`None` until the agent has answered."""


class Replacement(Struct, frozen=True, kw_only=True):
    """What a person put in the place of what the agent proposed."""

    decision_id: str
    proposal_id: str
    by: str
    args: dict[str, Any]
    """The arguments as they are now."""
    status: str
    """As of a decision: `granted` means that the agent may do it in this form."""


class Decision(Struct, frozen=True, kw_only=True):
    """Where a proposal stands: what was decided and why, how far it is, and what it waits for."""

    decision_id: str
    proposal_id: str
    at: datetime
    agent: str
    capability: str
    action: str
    word: str
    """allow, hold or deny."""
    status: str
    """granted: the agent does it itself. The HTTP API's reference has the others."""
    final: bool
    """Whether the status stands as it will stand."""
    shadowed: bool
    summary: str
    reasons: tuple[Reason, ...] = ()
    waits: tuple[Wait, ...] = ()
    questions: tuple[Question, ...] = ()
    replacement: Replacement | None = None
    """`None` unless a person put another version in its place. `look` at its decision, and `confirm` that."""

    @property
    def why(self) -> str:
        """The reasons in one line, as people read them."""
        return "; ".join(f"{each.gate}: {each.reason}" for each in self.reasons) or self.summary

    @property
    def asked(self) -> tuple[Question, ...]:
        """The questions that the agent has not answered."""
        return tuple(each for each in self.questions if each.answer is None)

    @property
    def deadline(self) -> datetime | None:
        """When the first thing it waits for is over; `None`: when the policy says so."""
        within = [each.within_us for each in self.waits if each.within_us is not None]
        return self.at + timedelta(microseconds=min(within)) if within else None
