"""The oracle: whether anybody was left asleep, told from what was asked for and what the ladder says.

It reads the journal's facts with an understanding of its own, and knows what the engine cannot: what people
said, what providers really brought to whom, who was down when. Nothing of it is the product's.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, Final

from msgspec import UNSET

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.escalations import SEVERITIES, Notification
from engine.core.vocabulary.facts import Fact, TroubleFound, TroubleGone
from engine.core.vocabulary.units import SECOND_US
from engine.core.work.escalations.roster import Duty
from notifiers.channel import Message
from tests.faults.wakeups.book import Kept, Sent, Wanted, following, hold
from tests.faults.wakeups.draw import Crew, Need, Night

_SLACK_S: Final = 2.0
"""How late the engine may be that is up."""
_SENDING_S: Final = 6.0
"""How late a notification may be at its provider with engine and pager up."""
_RETRY_S: Final = 62.0
"""The longest pause between two tries."""
_WORDS: Final = {
    e.EscalationAcknowledged: {"acknowledge", "take"}, e.EscalationSnoozed: {"snooze"},
    e.EscalationPassed: {"pass"}, e.EscalationHanded: {"hand"},
}  # fmt: skip


class Oracle:
    """The book of one night."""

    def __init__(self, night: Night) -> None:
        """Nothing has happened yet."""
        self.night, self.crew = night, night.roster or Crew(night)
        self.settings = night.settings()
        self.now_s, self.up_s, self.pager_up_s = 0.0, 0.0, 0.0
        self.engine_up = self.pager_up = True
        self.kept: dict[str, Kept] = {}
        self.wanted: dict[str, Wanted] = {}
        self.said: set[tuple[str, str, str]] = set()
        self.given: dict[tuple[str, int], float] = {}
        self.pages: Counter[str] = Counter()
        self.unsure: Counter[str] = Counter()
        self.crashes = 0
        self.fenced = False
        self.changes: list[e.OnCallChanged] = []
        self.counts: Counter[str] = Counter()
        self._raised_s: deque[float] = deque(maxlen=self.settings.storm_most)
        self.story: list[tuple[float, Fact]] = []
        self._needs = {need.key: need for need in night.needs}

    # ------------------------------------------------------------ what the world does

    def need(self, need: Need, stands: bool, told: bool) -> None:
        """Write down that something needs somebody, or no longer does."""
        known = self.wanted.get(need.key)
        if known is not None and known.stands == stands:
            return
        # What went away and came back between two looks of the engine, it has had all the time.
        told = told or any(need.key in kept.keys for kept in self.kept.values())
        self.wanted[need.key] = Wanted(need, stands, self.now_s, told)

    def lose(self, lost_s: float) -> None:
        """Allow for time that passed and that no clock knows of."""
        if not lost_s:
            return
        for kept in self.kept.values():
            kept.due_s = None if kept.due_s is None else kept.due_s + lost_s
            mode, due_s = kept.before
            kept.before = (mode, None if due_s is None else due_s + lost_s)
            for sent in kept.sent.values():
                sent.retry_by_s = None if sent.retry_by_s is None else sent.retry_by_s + lost_s

    def tried(self, message: Message) -> None:
        """Judge that a notification is at its provider."""
        if message.purpose in {"told", "over"}:
            return
        kept = self.kept[message.escalation_id]
        name, attempt = message.notification_id, message.attempt
        sent = kept.sent.get(name)
        if kept.mode in {"held", "ended"} or sent is None:
            given_s = self.given.get((name, attempt))
            in_time = given_s is not None and given_s <= kept.hushed_s
            hold(in_time, f"{name} rang though {kept.holder or 'somebody'} had it, or it was over")
            self.counts["on the wire"] += 1
            return
        if sent.notification.attempt == attempt:
            late_s = self.now_s - max(sent.asked_s, self.up_s, self.pager_up_s)
            hold(late_s <= _SENDING_S, f"{name} was sent {late_s:.0f} s late")
            sent.tried = True
        self.counts["tried"] += 1

    def page(self, message: Message) -> None:
        """Judge that a page reached a person."""
        if message.purpose not in {"wake", "again"}:
            return
        name = message.notification_id
        self.pages[name] += 1
        self.counts["pages"] += 1
        extra = self.pages[name] - 1
        if not extra:
            return
        self.counts["extra pages"] += 1
        sent = self.kept[message.escalation_id].sent.get(name)
        crashes = self.crashes - (sent.crashes if sent is not None else 0)
        hold(
            extra <= crashes + self.unsure[name],
            f"{name} came {extra + 1} times, with {crashes} crashes and {self.unsure[name]} lost answers",
        )
        if extra > self.unsure[name]:
            self.counts["extra pages by crashes"] += 1

    # ------------------------------------------------------------ what the journal says

    def see(self, fact: Fact) -> None:
        """Judge one fact that reached the journal."""
        self.story.append((self.now_s, fact))
        if isinstance(fact, TroubleFound | TroubleGone):
            self.need(self._needs[f"trouble:{fact.trouble}"], isinstance(fact, TroubleFound), told=False)
        elif isinstance(fact, e.OnCallChanged):
            self.changes.append(fact)
        elif isinstance(fact, e.EscalationRaised):
            self._raised(fact)
        elif isinstance(fact, e.EscalationFact):
            kept = self.kept.get(fact.escalation_id)
            hold(kept is not None, f"{fact.escalation_id} was never raised")
            assert kept is not None
            self._in_time(fact.escalation_id, kept)
            _SEE[type(fact)](self, kept, fact)

    def _in_time(self, name: str, kept: Kept) -> None:
        if kept.due_s is None or not self.engine_up:
            return
        late_s = self.now_s - max(kept.due_s, self.up_s)
        hold(late_s <= _SLACK_S, f"{name} is {kept.mode}, and nothing happened for {late_s:.0f} s")

    def _wants(self, fact: Any) -> None:
        wanted = self.wanted.get(fact.key)
        if wanted is None or wanted.told:
            return
        late_s = self.now_s - max(wanted.since_s, self.up_s)
        hold(late_s <= _SLACK_S, f"{fact.key} was raised {late_s:.0f} s late")
        wanted.told = True

    def _raised(self, fact: e.EscalationRaised) -> None:
        self.counts["escalations"] += 1
        self._raised_s.append(self.now_s)
        self._wants(fact)
        need = self._needs.get(fact.key)
        hold(need is not None, f"{fact.key} was raised, and nobody wants it")
        assert need is not None
        for name, kept in self.kept.items():
            same = fact.group in kept.groups and kept.mode != "ended" and kept.ladder.name == need.ladder
            hold(not same, f"{fact.key} was raised anew, and {name} of the same incident is open")
        self.kept[fact.escalation_id] = Kept(
            ladder=self.settings.ladders[need.ladder],
            severity=fact.severity,
            keys={fact.key},
            groups={fact.group},
            mode="ringing",
            due_s=self.now_s,
            anew=True,
        )

    def _joined(self, kept: Kept, fact: e.EscalationJoined) -> None:
        self.counts["joined"] += 1
        self._wants(fact)
        need = self._needs[fact.key]
        group = need.key if need.kind == "trouble" else need.group
        since_s = self.now_s - self.settings.storm_within_us / SECOND_US
        storm = sum(at_s >= since_s for at_s in self._raised_s) >= self.settings.storm_most
        hold(
            kept.ladder.name == need.ladder and (storm or group in kept.groups),
            f"{fact.key} went into {fact.escalation_id}, which is something else",
        )
        worse = SEVERITIES[fact.severity] > SEVERITIES[kept.severity]
        kept.severity = max(kept.severity, fact.severity, key=lambda severity: SEVERITIES[severity])
        again = fact.key in kept.keys
        kept.keys.add(fact.key)
        if kept.mode == "cleared":
            kept.mode, kept.due_s = kept.before
            kept.due_s = None if kept.due_s is None else max(kept.due_s, self.now_s)
            for sent in kept.sent.values():
                if sent.retry_by_s is not None:
                    sent.retry_by_s = max(sent.retry_by_s, self.now_s)
            self._skip(kept)
        elif kept.mode == "ended" and not again:
            kept.mode, kept.due_s, kept.anew = "ringing", self.now_s, True
        if worse and kept.mode == "ringing" and kept.withheld:
            kept.due_s, kept.anew = self.now_s, True

    def _cleared(self, kept: Kept, fact: e.EscalationCleared) -> None:
        wanted = self.wanted[fact.key]
        hold(not wanted.stands, f"{fact.key} was cleared, and it stands")
        kept.keys.discard(fact.key)
        if kept.keys or kept.mode in {"cleared", "ended"}:
            return
        kept.before = (kept.mode, kept.due_s)
        kept.mode = "cleared"
        kept.due_s = self.now_s + self.settings.settle_us / SECOND_US

    def _rung(self, kept: Kept, fact: e.RungReached) -> None:
        self.counts["rungs"] += 1
        name, place = fact.escalation_id, (fact.round, fact.rung, fact.nth)
        hold(kept.mode in {"ringing", "asked", "held"}, f"{name} rang, and it was {kept.mode}")
        if kept.mode == "ringing" and not kept.anew:
            follow = list(following(kept.ladder, kept.place, skips=kept.skips))
            hold(place in follow, f"{name} went from {kept.place} to {place}, and should to one of {follow}")
            if not kept.skips and kept.ringing:
                waited_us = fact.at_us - kept.at_us
                hold(waited_us >= self._wait_us(kept), f"{name} waited {waited_us} µs at {kept.place}")
        else:
            hold(place == (1, 1, 1), f"{name} began anew at {place}")
        if place == (1, 1, 1):
            kept.withheld = False
        self._close(name, kept)
        for sent in kept.sent.values():
            if sent.notification.purpose == "again":
                # Who was asked had their time: everybody is woken now.
                sent.tried, sent.retry_by_s = True, None
        kept.mode, kept.holder, kept.place, kept.anew, kept.skips = "ringing", "", place, False, False
        kept.at_us = fact.at_us
        kept.withheld |= any(each.until_us is not None for each in fact.left_out)
        self._reaches(kept, fact)
        wait_us = self._wait_us(kept) if fact.notifications else 0
        kept.ringing = tuple(each.notification_id for each in fact.notifications)
        kept.due_s = self.now_s + wait_us / SECOND_US
        self._asked_for(kept, fact.notifications)

    @staticmethod
    def _is_out_of_way(kept: Kept, name: str) -> bool:
        sent = kept.sent.get(name)
        return sent is None or (sent.failed and not sent.went_out)

    @staticmethod
    def _wait_us(kept: Kept) -> int:
        return kept.ladder.rungs[kept.place[1] - 1].wait_us

    def _reaches(self, kept: Kept, fact: e.RungReached) -> None:
        """Check that a rung reaches just whom it is meant to."""
        rung, duty = kept.ladder.rungs[fact.rung - 1], Duty(changes=tuple(self.changes))
        ways = {
            (person, channel)
            for target in rung.to
            for person in self.crew.found(target, fact.at_us, duty)
            for channel in rung.by
        }
        shut = {way for way in ways if self.crew.against(*way, kept.severity, fact.at_us) is not None}
        rang = {(each.person, each.channel) for each in fact.notifications}
        meant = (ways - shut) | {("", channel) for channel in rung.post}
        hold(rang == meant, f"{fact.escalation_id} rang {sorted(rang)}, and should {sorted(meant)}")

    def _asked_for(self, kept: Kept, notifications: tuple[Notification, ...]) -> None:
        for each in notifications:
            if each.purpose in {"told", "over"}:
                continue
            name = each.notification_id
            known = kept.sent.get(name)
            if known is not None:
                hold(not known.never, f"{name} is tried again, and nothing can come of it")
                if known.retry_by_s is not None:
                    late_s = self.now_s - max(known.retry_by_s, self.up_s)
                    hold(late_s <= _SLACK_S, f"{name} was tried again {late_s:.0f} s late")
            crashes = known.crashes if known is not None else self.crashes
            kept.sent[name] = Sent(notification=each, asked_s=self.now_s, crashes=crashes)

    def _requested(self, kept: Kept, fact: e.NotificationsRequested) -> None:
        self._asked_for(kept, fact.notifications)
        if kept.mode == "held" and any(each.purpose == "again" for each in fact.notifications):
            kept.mode = "asked"
            kept.due_s = self.now_s + kept.ladder.answer_us / SECOND_US

    def _reported(self, kept: Kept, fact: e.NotificationReported) -> None:
        self.counts[f"reported {fact.delivery}"] += 1
        sent = kept.sent.get(fact.notification_id)
        if sent is None or fact.attempt != sent.notification.attempt:
            return
        sent.tried = True
        sent.failed = fact.delivery in {"failed", "unsure"}
        sent.went_out |= not sent.failed
        if not sent.failed:
            sent.retry_by_s = None
            return
        # What a provider took and could not bring is mended by the ladder, not by another try.
        sent.never = fact.kind in {"address", "setup", UNSET}
        sent.went_out = False
        asks = {"wake": "ringing", "again": "asked"}[sent.notification.purpose] == kept.mode
        sent.retry_by_s = self.now_s + _RETRY_S if asks and not sent.never else None
        self._skip(kept)

    def _skip(self, kept: Kept) -> None:
        """Wait no longer for a rung of which nothing went out, unless it is the last."""
        last = kept.place[1] == len(kept.ladder.rungs)
        rang = [each for each in kept.ringing if each in kept.sent]
        if kept.mode == "ringing" and not last and rang and all(self._is_out_of_way(kept, n) for n in rang):
            kept.skips, kept.due_s = True, self.now_s

    def _close(self, name: str, kept: Kept) -> None:
        """Check that what was to be sent was, before it is let go of."""
        for each, sent in kept.sent.items():
            if not (self.engine_up and self.pager_up):
                break
            up_s = max(self.up_s, self.pager_up_s)
            late_s = self.now_s - max(sent.asked_s, up_s)
            hold(sent.tried or late_s <= _SENDING_S, f"{name}: {each} was not sent in {late_s:.0f} s")
            if sent.retry_by_s is not None and kept.mode in {"ringing", "asked"}:
                late_s = self.now_s - max(sent.retry_by_s, self.up_s)
                hold(late_s <= _SLACK_S, f"{name}: {each} was not tried again in {late_s:.0f} s")

    def _hush(self, kept: Kept, fact: Any) -> None:
        self._close(fact.escalation_id, kept)
        for each in kept.sent.values():
            each.retry_by_s, each.tried = None, True
        kept.hushed_s = self.now_s

    def _word(self, fact: Any) -> None:
        said = any((fact.escalation_id, fact.by, word) in self.said for word in _WORDS[type(fact)])
        hold(said, f"{fact.by} never said so: {fact}")

    def _taken(self, kept: Kept, fact: Any) -> None:
        self.counts["acknowledged"] += 1
        self._word(fact)
        self._hush(kept, fact)
        kept.holder = fact.by
        later_us = fact.until_us - fact.at_us if isinstance(fact, e.EscalationSnoozed) else (
            kept.ladder.ask_again_us
        )  # fmt: skip
        mode, due_s = "held", self.now_s + later_us / SECOND_US
        if kept.mode == "cleared":
            kept.before = (mode, due_s)
        else:
            kept.mode, kept.due_s = mode, due_s

    def _handed(self, kept: Kept, fact: e.EscalationHanded) -> None:
        self._word(fact)
        self._hush(kept, fact)
        kept.mode, kept.holder, kept.anew, kept.skips = "ringing", "", True, False
        kept.place, kept.ringing = (1, 0, 0), tuple(each.notification_id for each in fact.notifications)
        kept.due_s = self.now_s + fact.wait_us / SECOND_US
        self._asked_for(kept, fact.notifications)

    def _passed(self, kept: Kept, fact: e.EscalationPassed) -> None:
        self._word(fact)
        if kept.mode in {"held", "asked"} and kept.holder == fact.by:
            kept.mode, kept.holder = "ringing", ""
            round_, rung, _ = kept.place
            kept.anew |= rung >= len(kept.ladder.rungs) and round_ >= kept.ladder.rounds
        if kept.mode == "ringing":
            kept.skips, kept.due_s = True, self.now_s

    def _postponed(self, kept: Kept, fact: e.EscalationPostponed) -> None:
        self.counts["postponed"] += 1
        hold(kept.withheld, f"{fact.escalation_id} is put off, and nobody is asleep")
        kept.anew = True
        kept.due_s = self.now_s + (fact.until_us - fact.at_us) / SECOND_US

    def _ended(self, kept: Kept, fact: e.EscalationEnded) -> None:
        self.counts[f"end {fact.how}"] += 1
        name = fact.escalation_id
        hold(fact.detail, f"{name} ended, and nothing says why")
        match fact.how:
            case "exhausted":
                rungs, (round_, rung, nth) = kept.ladder.rungs, kept.place
                whole = (round_, rung) == (kept.ladder.rounds, len(rungs)) and (
                    nth > rungs[-1].repeat or kept.skips
                )
                hold(kept.mode == "ringing" and not kept.anew, f"{name} is {kept.mode}, and is given up")
                hold(whole, f"{name} is given up at {kept.place}")
                hold(not kept.withheld, f"{name} is given up, and somebody was only asleep")
                early = fact.at_us < kept.at_us + self._wait_us(kept) and bool(kept.ringing)
                hold(kept.skips or not early, f"{name} is given up before its time")
                hold(fact.failsafe == kept.ladder.failsafe, f"{name} ends in {fact.failsafe}")
                hold(fact.failsafe != "stop" or self.fenced, f"{name} stopped nothing")
            case "resolved":
                hold(not kept.keys and kept.mode == "cleared", f"{name} is resolved, and {kept.keys} stands")
            case "cancelled":
                ended = {(name, fact.by, word) for word in ("resolve", "cancel")}
                hold(ended & self.said, f"{name} was ended by {fact.by}, who never said so")
        self._hush(kept, fact)
        kept.mode, kept.due_s = "ended", None
        if fact.how == "cancelled":
            # Of troubles the engine knows by itself whether they stand. Of all else a person's word ends it.
            for key in [key for key in kept.keys if not key.startswith("trouble:")]:
                kept.keys.discard(key)
                self.wanted.pop(key, None)

    # ------------------------------------------------------------ the end of the night

    def close(self) -> None:
        """Judge what is left."""
        for name, kept in self.kept.items():
            self._in_time(name, kept)
            if kept.mode in {"ringing", "asked"}:
                self._close(name, kept)
        for key, wanted in self.wanted.items():
            if wanted.stands and not wanted.told:
                late_s = self.now_s - max(wanted.since_s, self.up_s)
                hold(late_s <= _SLACK_S, f"{key} needs somebody, and nobody was woken")
            if wanted.stands:
                held = any(key in kept.keys for kept in self.kept.values())
                hold(held or not wanted.told, f"{key} stands, and no escalation has it")

    @property
    def is_over(self) -> bool:
        """Whether nobody is being woken, and nobody has anything."""
        return all(kept.mode == "ended" for kept in self.kept.values())


_SEE: Final[dict[type, Any]] = {
    e.EscalationJoined: Oracle._joined,
    e.EscalationCleared: Oracle._cleared,
    e.RungReached: Oracle._rung,
    e.NotificationsRequested: Oracle._requested,
    e.NotificationReported: Oracle._reported,
    e.EscalationAcknowledged: Oracle._taken,
    e.EscalationSnoozed: Oracle._taken,
    e.EscalationHanded: Oracle._handed,
    e.EscalationPassed: Oracle._passed,
    e.EscalationPostponed: Oracle._postponed,
    e.EscalationEnded: Oracle._ended,
}
