"""What agents' logs have in common: conversations of people, tools and agents, and calls of tools.

Each reader of a format says what happened, in whatever order its files tell it. Here it becomes facts in
order of time: a conversation is an episode, a call a proposal, its answer an outcome that the incumbent
brought about. Calls that should not have been carry a label, so that a score compares a policy with people.
"""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

from msgspec import UNSET, Struct

from engine.adapters.leak_rules import read_rules
from engine.adapters.leaks import Scanner
from engine.adapters.redaction import redact
from engine.adapters.scrubber import Scrubber
from engine.core.plain_text import shortened
from engine.core.tool_calls import Wish
from engine.core.vocabulary.arguments import texts_of
from engine.core.vocabulary.facts import (
    EpisodeClosed,
    Fact,
    MessageObserved,
    OutcomeReported,
    ProposalReceived,
    encode,
)
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, ProposalId
from engine.core.vocabulary.privacy import PrivacySettings
from engine.core.vocabulary.proposals import Impact, Proposal
from simulator.importers.infer import RegistryLearner
from simulator.importers.lenient_json import parse
from simulator.importers.summary import Summary, write_sorted
from simulator.importers.tools import Tools
from simulator.recording import EpisodeLabel, Header, Label, Origin, RecordingWriter
from simulator.recording.spill import SortedSpill, time_key

MOST_TEXT: Final = 100_000
"""Characters of one message that are kept; longer ones are cut, and counted."""
_MOST_WHY: Final = 2_000
_MOST_DETAIL: Final = 200

Speaker = Literal["person", "tool", "agent"]


class Call(Struct, frozen=True, kw_only=True):
    """One tool call."""

    conversation: str
    call_id: str
    """Of its own within the conversation."""
    at_us: int
    tool: str
    args: dict[str, Any]
    why: str = ""
    """What the agent said before it."""
    agent: str = ""
    """Who called; empty: the history's one agent."""
    impact: Impact | None = None
    """`None`: one call of an API, and a file where the tool writes one."""


class Reply(Struct, frozen=True, kw_only=True):
    """What a tool call came to."""

    conversation: str
    call_id: str
    at_us: int
    text: str = ""
    ok: bool = True
    rejected: bool = False
    """Whether a person turned the call down, so that it never ran."""
    blocked: bool = False
    """Whether a hook of the agent kept it from running: nobody turned it down, and nothing failed."""


_Fact = TypeVar("_Fact", bound=Fact)


class _Made(Struct):
    proposal_id: ProposalId
    agent: AgentId
    capability: CapabilityId
    action: ActionName
    asked: str
    """What it was asked for, one thing a line."""
    answered: bool = False
    unsafe: bool = False


class _Conversation:
    __slots__ = ("calls", "last_us")

    def __init__(self) -> None:
        self.calls: dict[str, _Made] = {}
        """By call id."""
        self.last_us = 0


class Conversations:
    """Collects what readers say and writes the recording. Memory grows with calls, not with texts.

    Use it with `with`; nothing is written before `write`.
    """

    def __init__(
        self, *, format_name: str, agent: str, unsafe_means: str = "", tools: Tools | None = None
    ) -> None:
        """`agent` is whose log it is, where a call does not say.

        `tools` says what calls are proposed as; `None`: as they are, under a registry that is learnt.

        `unsafe_means`: what the log tells of calls that should not have been, in a sentence; empty where it
        tells nothing, and then nothing is labelled.
        """
        self.format = format_name
        self.oddities: Counter[str] = Counter()
        self._agent, self._unsafe_means, self._tools = agent, unsafe_means, tools
        # As on the way into the journal: by a text's shape, the key it stands behind, and its neighbours.
        scanner = Scanner(read_rules())
        self._scrubber = Scrubber(PrivacySettings(), lambda: scanner)
        self._learner = RegistryLearner()
        self._spill = SortedSpill()
        self._open: dict[str, _Conversation] = {}

    def __enter__(self) -> Self:
        """Use it for a while."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the temporary file go."""
        self._spill.close()

    def say(
        self, conversation: str, at_us: int, source: Speaker, text: str, made: _Made | None = None
    ) -> None:
        """Take a message; `made` is the call it answers. An empty one says nothing."""
        if text.strip():
            self._add(
                MessageObserved(
                    at_us=at_us,
                    episode=self._episode(conversation, at_us),
                    source=source,
                    text=self._text(text),
                    tool=made.action if made is not None else UNSET,
                    asked=made.asked if made is not None and made.asked else UNSET,
                )
            )

    def call(self, call: Call) -> None:
        """Take a tool call. One that was told before, as a resumed session does, is left out."""
        episode = self._episode(call.conversation, call.at_us)
        calls = self._open[call.conversation].calls
        if call.call_id in calls:
            self.oddities["calls told twice, taken once"] += 1
            return
        agent = AgentId(named(redact(call.agent or self._agent)))
        wish = self._wish(call, shorter(call.args))
        received = self._seen(
            ProposalReceived(
                at_us=call.at_us,
                proposal=Proposal(
                    proposal_id=ProposalId(redact(f"{episode}#{call.call_id}")),
                    agent=agent,
                    capability=self._tools.capability if self._tools is not None else _capability(agent),
                    action=ActionName(wish.action),
                    args=wish.args,
                    episode=episode,
                    impact=call.impact
                    or Impact(cost_usd=Decimal(wish.cost_usd), files=wish.files, api_calls=wish.api_calls),
                    confidence=wish.confidence,
                    rationale=shortened(call.why, _MOST_WHY),
                ),
            )
        )
        asked = received.proposal
        calls[call.call_id] = _Made(
            proposal_id=asked.proposal_id,
            agent=asked.agent,
            capability=asked.capability,
            action=asked.action,
            asked="\n".join(texts_of(asked.args))[:_MOST_WHY],
        )
        self._put(received)

    def reply(self, reply: Reply) -> None:
        """Take what came of a call. One to a call that nobody made is counted and left out."""
        made = self._made(reply.conversation, reply.call_id)
        if made is None:
            self.oddities["answers to calls that nobody made, left out"] += 1
        elif not made.answered:
            made.answered, made.unsafe = True, reply.rejected
            self._episode(reply.conversation, reply.at_us)
            if not reply.rejected:
                # What a tool returned stands in the conversation before anything can be done with it.
                self.say(reply.conversation, reply.at_us, "tool", reply.text, made)
                if reply.blocked:
                    self.oddities["calls that a hook blocked, left without an outcome"] += 1
                    return
                self._outcome(made, reply.at_us, ok=reply.ok, detail="" if reply.ok else reply.text)

    def went_wrong(self, conversation: str, call_id: str, at_us: int, why: str) -> bool:
        """Say that a call which seemed to go well did harm after all. `False` where nobody made it."""
        made = self._made(conversation, call_id)
        if made is None:
            return False
        made.unsafe = True
        self._episode(conversation, at_us)
        self._outcome(made, at_us, ok=False, detail=why)
        return True

    def write(self, out: Path, origin: Origin, *, rows: int, notes: tuple[str, ...] = ()) -> Summary:
        """Write all of it as a recording, in order of time. Raises `RecordingError` and `StorageError`."""
        for name, conversation in self._open.items():
            if waiting := sum(not made.answered for made in conversation.calls.values()):
                self.oddities["calls without an answer"] += waiting
            # Behind everything else of its last moment: the sort keeps the order in which they were added.
            self._add(EpisodeClosed(at_us=conversation.last_us, episode=self._id(name)))
        header = Header(
            source=self.format,
            origin=origin,
            actions=self._learner.actions() if self._tools is None else self._tools.actions(),
            notes=(
                *(_LEARNT if self._tools is None else _MAPPED),
                _REDACTED,
                *filter(None, (self._unsafe_means,)),
                *notes,
            ),
        )
        label = self._label if self._unsafe_means else None
        return write_sorted(out, header, self._spill, rows=rows, oddities=self.oddities, label=label)

    def _label(self, writer: RecordingWriter) -> None:
        for name, conversation in self._open.items():
            episode, calls = self._id(name), conversation.calls.values()
            benign = not any(made.unsafe for made in calls)
            if calls:
                writer.label(EpisodeLabel(episode=episode, benign=benign, place=redact(name)))
            for made in calls:
                writer.label(
                    Label(
                        proposal_id=made.proposal_id,
                        unsafe=made.unsafe,
                        benign_episode=benign,
                        episode=episode,
                        place=redact(name),
                    )
                )

    def _wish(self, call: Call, args: dict[str, Any]) -> Wish:
        if self._tools is not None:
            return self._tools.wish(call.tool, args)
        name = named(redact(call.tool))
        self._learner.see(name, args)
        return Wish(action=name, args=args, confidence=None, cost_usd="0", files=0, api_calls=1)

    def _outcome(self, made: _Made, at_us: int, *, ok: bool, detail: str) -> None:
        self._add(
            OutcomeReported(
                at_us=at_us,
                proposal_id=made.proposal_id,
                agent=made.agent,
                capability=made.capability,
                action=made.action,
                ok=ok,
                by="incumbent",
                detail=shortened(detail, _MOST_DETAIL),
            )
        )

    def _made(self, conversation: str, call_id: str) -> _Made | None:
        known = self._open.get(conversation)
        return None if known is None else known.calls.get(call_id)

    def _id(self, conversation: str) -> EpisodeId:
        return EpisodeId(redact(f"{self.format}/{conversation}"))

    def _episode(self, conversation: str, at_us: int) -> EpisodeId:
        known = self._open.setdefault(conversation, _Conversation())
        known.last_us = max(known.last_us, at_us)
        return self._id(conversation)

    def _text(self, text: str) -> str:
        if len(text) > MOST_TEXT:
            self.oddities[f"messages of more than {MOST_TEXT:,} characters, cut"] += 1
            text = text[:MOST_TEXT]
        return text

    def _add(self, fact: Fact) -> None:
        self._put(self._seen(fact))

    def _seen(self, fact: _Fact) -> _Fact:
        return self._scrubber.without_secrets(fact, by_key=True)

    def _put(self, fact: Fact) -> None:
        self._spill.add(time_key(fact.at_us), encode(fact))


_LEARNT: Final = (
    "the registry is inferred from the shape of the calls",
    "confidence was not recorded",
)
_MAPPED: Final = (
    "calls are proposed as the shipped hooks.yaml has it, with the confidence it takes for granted",
)
_REDACTED: Final = "secrets were taken out of texts and arguments"
PEOPLE_DECIDED: Final = (
    "a call counts as unsafe when a person turned it down; what nobody was asked about counts as safe"
)
"""For logs that tell what people said to a call."""


def _capability(agent: AgentId) -> CapabilityId:
    return CapabilityId(f"{agent}@1")


def named(text: str) -> str:
    """Return a name that the vocabulary takes: an `@` would be read as the start of a version.

    >>> named("Model v2@latest")
    'Model-v2-latest'
    """
    kept = "".join(each if each.isalnum() or each in "._-:/" else "-" for each in text.strip())
    return kept.strip("-")[:100] or "unknown"


def shorter(value: Any) -> Any:
    """Return arguments whose texts are no longer than a message may be."""
    if isinstance(value, str):
        return value[:MOST_TEXT]
    if isinstance(value, list):
        return [shorter(each) for each in value]
    if isinstance(value, Mapping):
        return {str(key): shorter(each) for key, each in value.items()}
    return value


def arguments(value: Any) -> dict[str, Any]:
    """Read the arguments of a call, as an object or as the text of one. Other text becomes `input`.

    >>> arguments('{"path": "a"}'), arguments("ls"), arguments(None)
    ({'path': 'a'}, {'input': 'ls'}, {})
    """
    if isinstance(value, str):
        try:
            found = parse(value)
        except ValueError:
            return {"input": value} if value.strip() else {}
        return found if isinstance(found, dict) else {"input": found}
    if isinstance(value, dict):
        return {str(key): each for key, each in value.items()}
    return {} if value is None else {"input": value}
