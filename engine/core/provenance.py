"""Provenance: who put a target into an episode first, the person it serves or something a tool returned.

An agent that sends money to an account it only ever saw inside a fetched document is following the document,
not its person. That is how most prompt injections show, whatever their wording. Targets are e-mail addresses,
bank account numbers (IBAN) and web addresses: identifiers precise enough to be compared.
"""

import re
from functools import lru_cache

from msgspec import Struct, field

from engine.core.vocabulary.facts import EpisodeClosed, MessageObserved
from engine.core.vocabulary.ids import EpisodeId

# Every repetition is bounded, so the time is linear in the text, whatever a stranger wrote into it. An
# address is taken whole: who vouched for ann@example.com did not vouch for ann@example.com.évil.org, nor for
# "ann@example.com"@evil.org. A name of a host has at most 127 labels of 63 letters.
_ADDRESS = r"(?a:[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4})"
# Only where a word begins is it worth trying: that keeps a long page from being read sixty-four times.
_TARGET = re.compile(
    r"(?<![A-Za-z0-9_.+-])" + _ADDRESS + r"(?:\w{0,63}(?:[.-]|\"?@)\w{1,63}){0,126}"
    r"|(?a:\b[A-Z]{2}\d{2}[A-Z0-9]{10,30}\b)"
    r"|(?:https?://|www\.)[^\s\"'<>()\[\]{}]{1,2000}"
)
_BEGINNING = re.compile(_ADDRESS)


_IBAN_LENGTH = 14


class Episode(Struct):
    """The targets each side has named in one episode."""

    last_us: int
    person: set[str] = field(default_factory=set)
    tool: set[str] = field(default_factory=set)


class Episodes(Struct):
    """Open episodes, and how long a silent one is remembered."""

    idle_us: int = 0
    by_id: dict[EpisodeId, Episode] = {}


class Origins(Struct, frozen=True):
    """How many of a proposal's targets came from where."""

    untrusted: int
    """Seen in what tools returned, never named by the person."""
    unknown: int
    """Seen nowhere in the episode: made up, or remembered from elsewhere."""


# Agents fetch the same pages and pass the same arguments again and again.
@lru_cache(maxsize=1024)
def targets_in(text: str) -> frozenset[str]:
    """Find the targets a text names, in one spelling each.

    >>> sorted(targets_in("Pay GB29NWBK60161331926819, ask Ann@Example.com. See www.x.org/a."))
    ['ann@example.com', 'gb29nwbk60161331926819', 'www.x.org/a']
    """
    return frozenset(match.rstrip(".,;:!?").lower() for match in _TARGET.findall(text))


@lru_cache(maxsize=1024)
def _named_in(text: str) -> frozenset[str]:
    """Find the targets and, where an address runs on into what follows it, its beginning as well.

    A tool that writes eve@evil.org谢谢.x has named eve@evil.org too.
    """
    targets = targets_in(text)
    beginnings = [begin[0] for target in targets if (begin := _BEGINNING.match(target))]
    return targets.union(beginnings)


def fold_message(episodes: Episodes, fact: MessageObserved) -> None:
    """Remember which targets this text names. What the agent itself writes vouches for nothing.

    Text outside any episode is forgotten at once: whoever stands alone shares nothing.
    """
    if not fact.episode:
        return
    episode = _current(episodes, fact.episode, fact.at_us)
    if episode is None:
        episode = episodes.by_id[fact.episode] = Episode(last_us=fact.at_us)
    episode.last_us = max(episode.last_us, fact.at_us)
    if fact.source == "person":
        episode.person |= targets_in(fact.text)
    elif fact.source == "tool":
        episode.tool |= _named_in(fact.text)


def fold_closed(episodes: Episodes, fact: EpisodeClosed) -> None:
    """Forget an episode that ended."""
    episodes.by_id.pop(fact.episode, None)


def trim(episodes: Episodes, now_us: int) -> None:
    """Forget episodes that have been silent too long."""
    for name in [n for n, episode in episodes.by_id.items() if now_us - episode.last_us > episodes.idle_us]:
        del episodes.by_id[name]


def targets_of(texts: list[str]) -> frozenset[str]:
    """Find the targets in the texts among a proposal's arguments."""
    targets: frozenset[str] = _NOBODY
    for text in texts:
        # Looking for a letter is faster than looking for a target: an IBAN has fifteen signs or more, two of
        # them capitals.
        if (
            "@" in text
            or "://" in text
            or "www." in text
            or (len(text) >= _IBAN_LENGTH and not text.islower())
        ):
            targets |= _named_in(text)
    return targets


def origins(episodes: Episodes, episode_id: EpisodeId, targets: frozenset[str], now_us: int) -> Origins:
    """Count where a proposal's targets come from."""
    if not targets:
        return _NONE
    episode = _current(episodes, episode_id, now_us) if episode_id else None
    if episode is None:
        return Origins(untrusted=0, unknown=len(targets))
    strange = targets - episode.person
    return Origins(untrusted=len(strange & episode.tool), unknown=len(strange - episode.tool))


_NOBODY: frozenset[str] = frozenset()
_NONE = Origins(untrusted=0, unknown=0)


def _current(episodes: Episodes, episode_id: EpisodeId, now_us: int) -> Episode | None:
    """Find an episode, unless it was silent too long; then it counts as new, tidied away yet or not."""
    episode = episodes.by_id.get(episode_id)
    if episode is not None and now_us - episode.last_us > episodes.idle_us:
        return None
    return episode
