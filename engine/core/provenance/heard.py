"""Heard: what each side has named in an episode, and which values of a proposal only tools have named."""

from typing import Final

from msgspec import UNSET, Struct, field

from engine.core.plain_text import shortened
from engine.core.provenance.comparing import names
from engine.core.provenance.reading import Read, is_stated, read
from engine.core.provenance.wanted import (
    Target,
    address_mark,
    addresses_told,
    is_named,
    refers,
    targets_of,
    vouched_in,
)
from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.facts import EpisodeClosed, MessageObserved
from engine.core.vocabulary.ids import AgentId, EpisodeId
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.provenance import ProvenanceSettings, Trust

MOST_READ: Final = 1_000_000
"""So many letters of what tools return are compared in an episode. Past them only the person is believed."""
_MOST_TOLD: Final = 200_000
_EACH: Final = 500
"""What a message counts beside its letters, so that there are not too many of them to look through."""
_MOST_COMPARED: Final = 200
"""So many values of one proposal are compared; one with more is not let go by itself."""
_SHOWN: Final = 48
_MOST_SHOWN: Final = 2


class Reply(Struct):
    """What one tool returned, once."""

    tool: str
    number: int
    """Of the messages of the episode, from 1."""
    claimed: Trust | None
    """How far the agent would believe it; `None` where it does not say."""
    referred: tuple[AgentId, ...]
    """By whose word the person had named what the tool was asked for."""
    text: str = ""
    """Kept until it is read, and never written down."""
    marks: Read | None = None
    """`None` until somebody wants to compare."""


class Episode(Struct):
    """What each side has named in one episode."""

    last_us: int
    since_us: int = 0
    """When its first message came."""
    messages: int = 0
    told: list[tuple[AgentId, str]] = field(default_factory=list)
    """What the person said and nobody has compared yet; never written down."""
    person: dict[AgentId, set[int]] = field(default_factory=dict)
    """What the person has named, as marks, by which agent says so."""
    replies: list[Reply] = field(default_factory=list)
    told_size: int = 0
    read_size: int = 0


class Episodes(Struct):
    """Open episodes, and how long a silent one is remembered."""

    idle_us: int = 0
    by_id: dict[EpisodeId, Episode] = {}


class Origins(Struct, frozen=True):
    """Where a proposal's identifying values come from."""

    untrusted: int
    """How many only untrusted tools named, and never the person."""
    unknown: int
    """How many addresses and accounts stand nowhere in the episode: made up, or remembered from elsewhere."""
    told: str = ""
    """The untrusted ones and who named them, for people."""


def fold_message(episodes: Episodes, fact: MessageObserved) -> None:
    """Remember what this text names. What the agent itself writes vouches for nothing.

    Text outside any episode is forgotten at once: whoever stands alone shares nothing.
    """
    if not fact.episode:
        return
    episode = _current(episodes, fact.episode, fact.at_us)
    if episode is None:
        episode = episodes.by_id[fact.episode] = Episode(last_us=fact.at_us, since_us=fact.at_us)
    episode.last_us = max(episode.last_us, fact.at_us)
    episode.messages += 1
    if fact.source == "person":
        by = AgentId("") if fact.by is UNSET else fact.by
        episode.told_size += len(fact.text) + _EACH
        if episode.told_size <= _MOST_TOLD:
            episode.told.append((by, fact.text))
    elif fact.source == "tool":
        if episode.read_size <= MOST_READ:
            episode.read_size += len(fact.text) + _EACH
        if episode.read_size <= MOST_READ:
            episode.replies.append(
                Reply(
                    "" if fact.tool is UNSET else fact.tool,
                    episode.messages,
                    None if fact.trust is UNSET else fact.trust,
                    () if fact.asked is UNSET else _referred(episode, fact.asked),
                    fact.text,
                )
            )


def fold_closed(episodes: Episodes, fact: EpisodeClosed) -> None:
    """Forget an episode that ended."""
    episodes.by_id.pop(fact.episode, None)


def trim(episodes: Episodes, now_us: int) -> None:
    """Forget episodes that have been silent too long."""
    for name in [n for n, episode in episodes.by_id.items() if now_us - episode.last_us > episodes.idle_us]:
        del episodes.by_id[name]


def keep_no_text(episodes: Episodes) -> None:
    """Read what nobody has read yet, and keep only marks of it."""
    for episode in episodes.by_id.values():
        _listen(episode)
        for reply in episode.replies:
            _marks(reply)


def origins(  # noqa: PLR0917 - it runs for every proposal, and keywords are slower
    episodes: Episodes,
    settings: ProvenanceSettings,
    action: Action | None,
    proposal: Proposal,
    addresses: frozenset[str],
    now_us: int,
) -> Origins:
    """Say where a proposal's identifying values come from; `addresses` are its addresses and accounts.

    An action of `None` is not in the registry.
    """
    episode = _current(episodes, proposal.episode, now_us) if proposal.episode else None
    if episode is None or not (episode.replies or episode.read_size > MOST_READ):
        if not addresses:
            return _NONE
        strange = len(addresses)
        if episode is not None:
            strange -= sum([_is_told(episode, settings, proposal.agent, each) for each in addresses])
        return Origins(0, strange) if strange else _NONE
    targets = targets_of(action, proposal.args)
    if not targets:
        return _NONE
    if len(targets) > _MOST_COMPARED:
        return Origins(len(targets), 0, f"it has {len(targets)} values, more than are compared")
    _listen(episode)
    vouched = [marks for by, marks in episode.person.items() if settings.may_vouch(by, proposal.agent)]
    unknown, found = 0, []
    for target in targets:
        if any(is_named(target, marks) for marks in vouched):
            continue
        known, why = _came_from(episode, settings, target, proposal.agent)
        if why:
            found.append(f"{target.name} {_masked(target.text)}, {why}")
        elif not known:
            unknown += target.precise
    if not found:
        return Origins(0, unknown) if unknown else _NONE
    more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    return Origins(len(found), unknown, "; ".join(found[:_MOST_SHOWN]) + more)


_NONE: Final = Origins(untrusted=0, unknown=0)


def _came_from(
    episode: Episode, settings: ProvenanceSettings, target: Target, agent: AgentId
) -> tuple[bool, str]:
    """Return whether anything in the episode named a value, and what about that is not to be trusted."""
    known = False
    chosen, choices = "", set[int]()
    for reply in episode.replies:
        marks = _marks(reply)
        trust = settings.trust_in(reply.tool, reply.claimed)
        in_line, in_fields = names(target, marks.lines), names(target, marks.fields)
        if trust == "trusted":
            known = known or in_line or in_fields or names(target, marks.prose)
            continue
        if names(target, marks.prose) or (in_fields and trust == "untrusted"):
            return True, f"named only by {_said_by(reply)}"
        known = known or in_fields
        kind = is_stated(target.text, marks.stated) if in_line else ""
        if in_line:
            if not kind or not any(settings.may_vouch(by, agent) for by in reply.referred):
                return True, f"named only by {_said_by(reply)}"
            known, chosen = True, f"one of several that {_said_by(reply)} states"
            choices |= marks.stated[kind]
    if episode.read_size > MOST_READ:
        return known, "in an episode with more text than is compared"
    if chosen:
        # A document the person sent the agent to may say where to pay; which of two accounts they say.
        return True, chosen if len(choices) > 1 else ""
    return known, ""


def _is_told(episode: Episode, settings: ProvenanceSettings, agent: AgentId, address: str) -> bool:
    """Whether the person has named an address, without reading everything else they said."""
    wanted = address_mark(address)
    return any(
        settings.may_vouch(by, agent) and wanted in marks for by, marks in episode.person.items()
    ) or any(settings.may_vouch(by, agent) and wanted in addresses_told(text) for by, text in episode.told)


def _said_by(reply: Reply) -> str:
    return f"{shortened(reply.tool, _SHOWN) or 'a tool'} (message {reply.number})"


def _masked(value: str) -> str:
    """Show enough of a value to know it by, and not all of a long one."""
    line = shortened(value, _SHOWN)
    return f"'{line}'"


def _referred(episode: Episode, asked: str) -> tuple[AgentId, ...]:
    """Return by whose word the person has named what a tool was asked for."""
    _listen(episode)
    return tuple([by for by, marks in episode.person.items() if refers(asked, marks)])


def _listen(episode: Episode) -> None:
    for by, text in episode.told:
        episode.person.setdefault(by, set()).update(vouched_in(text))
    episode.told.clear()


def _marks(reply: Reply) -> Read:
    if reply.marks is None:
        reply.marks, reply.text = read(reply.text), ""
    return reply.marks


def _current(episodes: Episodes, episode_id: EpisodeId, now_us: int) -> Episode | None:
    """Find an episode, unless it was silent too long; then it counts as new, tidied away yet or not."""
    episode = episodes.by_id.get(episode_id)
    if episode is not None and now_us - episode.last_us > episodes.idle_us:
        return None
    return episode
