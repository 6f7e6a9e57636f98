"""The board: what waits for people, as one message in each channel, kept true until it is over.

A message is a view of the journal and never the record. It is made anew from there after a restart, when
somebody deleted it, and whenever something happened; how many changes come at once makes no difference, for
only the last of them is shown.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from engine.commands.cards import card, short
from engine.commands.following import digest_of, job_of
from engine.commands.hearing import Hearing
from engine.commands.model import Front, Reply
from engine.commands.replies import clean
from engine.commands.standing import standing_of
from engine.commands.tools import Tools
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.contest_facts import ContestFact
from engine.core.vocabulary.ids import DecisionId, EpisodeId
from engine.errors import WatchkeeperError
from engine.ports import DecisionsReader, Messages, Posted
from engine.runtime import wire

_log = logging.getLogger("watchkeeper.board")

_MOST_AT_ONCE: Final = 500
"""How many records one look takes from the journal, so that other work gets its turn."""
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0


class Poster(Protocol):
    """One channel of one front-end. Its methods raise `WatchkeeperError` when the platform refuses."""

    front: Front
    channel: str
    """What the platform calls the channel."""

    async def post(self, reply: Reply, *, thread: str) -> str:
        """Post a message, into a thread where one is named, and return what `edit` knows it by."""

    async def edit(self, ref: str, reply: Reply) -> bool:
        """Show something else in a message. Says whether it is still there."""

    async def open_thread(self, ref: str, name: str) -> str:
        """Return the thread under a message, begun if there is none yet."""


class Board:
    """Keeps the messages of every channel true."""

    def __init__(self, tools: Tools, hearing: Hearing, posters: Sequence[Poster], messages: Messages) -> None:
        """Take the channels to write to."""
        self._tools, self._hearing, self._posters, self._messages = tools, hearing, posters, messages
        self._lanes = [_Lane(tools, messages, poster) for poster in posters]

    @property
    def messages(self) -> Messages:
        """What was posted where, and texts that a platform has no room for."""
        return self._messages

    async def run(self) -> None:
        """Follow the journal for ever. End it by cancelling."""
        async with asyncio.TaskGroup() as group:
            for lane in self._lanes:
                group.create_task(lane.run())
            group.create_task(self._follow())

    def is_quiet(self) -> bool:
        """Whether everything the journal holds is shown."""
        try:
            head = self._tools.journal().head().seq
        except WatchkeeperError:
            return False
        return self._messages.seen() == head and all(lane.is_idle() for lane in self._lanes)

    def say(self, reply: Reply, *, besides: str = "") -> None:
        """Have every channel told something at once, but for those of one front-end."""
        for lane in self._lanes:
            if lane.poster.front != besides:
                lane.say(reply)

    def lost(self, front: str, ref: str) -> None:
        """Note that somebody deleted a message; what is still open comes again."""
        posted = self._messages.by_ref(front, ref)
        if posted is not None and posted.open and not job_of(posted):
            self._messages.keep(msgspec.structs.replace(posted, shown="", ref=""))
            self.changed(DecisionId(posted.about))

    def changed(self, decision: DecisionId) -> None:
        """Have every channel look at a decision again."""
        for lane in self._lanes:
            lane.mark(decision)

    async def _follow(self) -> None:
        for posted in self._messages.open():
            if not job_of(posted):
                self.changed(DecisionId(posted.about))
        with self._hearing.about_all() as flag:
            while True:
                while await self._look():
                    pass
                await self._hearing.wait(flag)

    async def _look(self) -> bool:
        """Look at what is new in the journal; say whether there may be more."""
        seen = self._messages.seen()
        if seen is None:
            return await self._begin()
        after = seen

        def new(journal: DecisionsReader) -> tuple[int, list[tuple[int, f.Fact]]]:
            records = []
            for record in journal.read(after=after):
                records.append(record)
                if len(records) == _MOST_AT_ONCE:
                    break
            last = records[-1].seq if records else after
            return last, [(record.seq, f.decode(record.body)) for record in records]

        try:
            last, facts = await self._tools.look(new)
        except WatchkeeperError:
            return False
        for seq, fact in facts:
            self._take(seq, fact)
        if last != after:
            self._messages.saw(last)
        return len(facts) == _MOST_AT_ONCE

    async def _begin(self) -> bool:
        """Begin with what waits for people now: the first start tells no old stories, and forgets nobody.

        Returns whether it has begun: with the engine away it has not.
        """
        try:
            head = await self._tools.look(lambda journal: journal.head().seq)
            waiting = await self._tools.ask(wire.GetHolds(most=_MOST_AT_ONCE), wire.HoldList)
        except WatchkeeperError:
            return False
        for hold in waiting.holds:
            self.changed(hold.decision_id)
        self._messages.saw(head)
        return True

    def _take(self, seq: int, fact: f.Fact) -> None:
        for decision in _shown_by(fact):
            # What is just being posted for the first time is not among the messages yet, and must not stay as
            # it was when that began.
            known = any(
                lane.is_at(decision) or self._messages.find(lane.poster.front, lane.poster.channel, decision)
                for lane in self._lanes
            )
            if known or _waits(fact):
                self.changed(decision)
        news = _news(fact)
        if news is not None:
            for lane in self._lanes:
                lane.tell(f"news:{seq}", news)


class _Lane:
    """One channel: what is still to be shown there, the latest of everything only."""

    def __init__(self, tools: Tools, messages: Messages, poster: Poster) -> None:
        self.poster = poster
        self._tools, self._messages = tools, messages
        self._marked: dict[DecisionId, None] = {}
        self._news: list[tuple[str, Reply]] = []
        self._wake = asyncio.Event()
        self._showing: DecisionId | None = None

    def is_at(self, decision: DecisionId) -> bool:
        """Whether a decision is about to be shown, or just being."""
        return decision == self._showing or decision in self._marked

    def is_idle(self) -> bool:
        """Whether nothing is still to be shown."""
        return not self._wake.is_set()

    def mark(self, decision: DecisionId) -> None:
        self._marked[decision] = None
        self._wake.set()

    def tell(self, name: str, reply: Reply) -> None:
        self._news.append((name, reply))
        self._wake.set()

    def say(self, reply: Reply) -> None:
        self.tell("", reply)

    async def run(self) -> None:
        """Show what is marked, one after the other; what the platform does not take is tried again."""
        pause_s = _FIRST_PAUSE_S
        while True:
            await self._wake.wait()
            try:
                await self._one()
                pause_s = _FIRST_PAUSE_S
            except WatchkeeperError as refused:
                _log.warning("%s %s: %s", self.poster.front, self.poster.channel, refused)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _one(self) -> None:
        if self._news:
            name, reply = self._news[0]
            await self._post_news(name, reply)
            self._news.pop(0)
        elif self._marked:
            decision = next(iter(self._marked))
            # Marked again meanwhile, it comes again.
            del self._marked[decision]
            self._showing = decision
            try:
                await self._show(decision)
            except WatchkeeperError:
                self._marked.setdefault(decision)
                raise
            finally:
                self._showing = None
        else:
            self._wake.clear()

    async def _post_news(self, name: str, reply: Reply) -> None:
        messages, poster = self._messages, self.poster
        if name and messages.find(poster.front, poster.channel, name) is not None:
            return
        ref = await poster.post(clean(reply), thread="")
        if name:
            messages.keep(Posted(front=poster.front, channel=poster.channel, about=name, ref=ref, open=False))

    async def _show(self, decision: DecisionId) -> None:
        messages, poster = self._messages, self.poster
        journal = self._tools.journal()
        standing = standing_of(journal, decision)
        if standing is None:
            return
        reply = clean(card(journal, standing))
        shown, is_open = digest_of(reply), standing.status in _OPEN or not standing.settled
        posted = messages.find(poster.front, poster.channel, decision)
        if posted is not None and posted.ref:
            if posted.shown != shown and not await poster.edit(posted.ref, reply):
                posted = msgspec.structs.replace(posted, ref="")
            if posted.ref:
                messages.keep(msgspec.structs.replace(posted, shown=shown, open=is_open))
                return
            if not is_open:
                messages.keep(msgspec.structs.replace(posted, open=False, shown=shown))
                return
        thread = await self._thread(standing.verdict.episode, decision)
        ref = await poster.post(reply, thread=thread)
        messages.keep(
            Posted(
                front=poster.front,
                channel=poster.channel,
                about=decision,
                ref=ref,
                episode=standing.verdict.episode,
                thread=thread,
                shown=shown,
                open=is_open,
            )
        )

    async def _thread(self, episode: EpisodeId, decision: DecisionId) -> str:
        """Return the thread of an episode; the first decision of one stands in the channel itself."""
        messages, poster = self._messages, self.poster
        root = messages.root(poster.front, poster.channel, episode) if episode else None
        if root is None or root.about == decision or not root.ref:
            return ""
        if root.thread:
            return root.thread
        thread = await poster.open_thread(root.ref, short(str(episode), 80))
        messages.keep(msgspec.structs.replace(root, thread=thread))
        return thread


_OPEN: Final = frozenset({"held", "queued", "running", "granted"})


def _shown_by(fact: f.Fact) -> tuple[DecisionId, ...]:
    """Return every decision whose message a fact changes."""
    if isinstance(fact, ContestFact):
        return fact.decisions
    decision = _shows(fact)
    return () if decision is None else (decision,)


def _shows(fact: f.Fact) -> DecisionId | None:
    """Return the decision whose message a fact changes."""
    if isinstance(fact, f.VerdictReached):
        return fact.verdict.decision_id
    if isinstance(fact, f.CommandGiven):
        word, _, rest = fact.command.partition(" ")
        return DecisionId(rest.split()[0]) if word == "ack" and rest else None
    decision: DecisionId | None = getattr(fact, "decision_id", None)
    return decision


def _waits(fact: f.Fact) -> bool:
    """Whether a fact begins a wait for people."""
    if isinstance(fact, f.VerdictReached):
        return fact.verdict.word == "hold" and not fact.verdict.shadowed
    return isinstance(fact, f.EffectEnded) and fact.status == "unknown" and fact.kind != "preview"


def _because(reason: str) -> str:
    return f": {short(reason)}" if reason else ""


def _captain_news(fact: f.Fact) -> Reply | None:
    """Return what everybody should hear of the captaincy; `None` for any other fact."""
    match fact:
        case f.CaptaincyOffered():
            return Reply(
                title=f"{fact.by} offers {fact.to} the captaincy{_because(fact.reason)}",
                text=f"{fact.to} says /captain accept, or /captain decline.",
                tone="warning",
                private=False,
            )
        case f.CaptaincyPassed():
            title = f"{fact.to} is captain now, after {fact.by}{_because(fact.reason)}"
            return Reply(title=title, tone="warning", private=False)
        case f.CaptaincyDeclined():
            title = f"{fact.by} ended the offer of the captaincy{_because(fact.reason)}"
            return Reply(title=title, tone="warning", private=False)
        case f.CaptainAway():
            what = "is away, and the deputy acts" if fact.away else "is back, and acts again"
            title = f"{fact.by}: the captain {what}{_because(fact.reason)}"
            return Reply(title=title, tone="warning", private=False)
        case f.DeputyNamed():
            title = f"{fact.by} made {fact.deputy} the captain's deputy"
            return Reply(title=title, tone="warning", private=False)
        case _:
            return None


def _news(fact: f.Fact) -> Reply | None:  # noqa: PLR0911 - one answer for each kind of fact
    """Return what everybody should hear; `None` for what concerns one decision, or nobody."""
    match fact:
        case f.KillSwitchSet():
            title = f"{fact.by} stopped {fact.scope}{_because(fact.reason)}"
            return Reply(title=title, tone="danger", private=False)
        case f.KillSwitchCleared():
            text = f"{fact.by} resumed {fact.scope}: {short(fact.reason)}"
            return Reply(title=text, tone="good", private=False)
        case f.StageChanged():
            down = fact.now == "rolled_back"
            where = f"{fact.was} → {fact.now}".replace("_", " ")
            return Reply(
                title=f"{fact.capability}: {where}",
                tone="danger" if down else "good",
                text=f"By {fact.by}: {short(fact.reason, 300)}",
                private=False,
            )
        case f.RolloutPaused():
            return Reply(
                title=f"{fact.capability} is held back by {fact.by}: {short(fact.reason)}",
                tone="warning",
                private=False,
            )
        case f.RolloutResumed():
            text = f"{fact.by} lifted what held {fact.capability} back: {short(fact.reason)}"
            return Reply(title=text, tone="good", private=False)
        case f.PromotionReady():
            stage = fact.stage.replace("_", " ")
            return Reply(title=f"{fact.capability} may go to {stage}", tone="good", private=False)
        case f.TroubleFound():
            return Reply(
                title=f"Trouble: {fact.trouble}", tone="danger", text=short(fact.detail), private=False
            )
        case f.TroubleGone():
            return Reply(title=f"Over: {fact.trouble}", tone="good", private=False)
        case _:
            return _captain_news(fact)
