"""With the engine dead the pager wakes people by itself: rung by rung, until somebody has it."""

import asyncio
import contextlib

import pytest
from msgspec import structs

from engine.adapters.link_tokens import LinkTokens
from engine.adapters.outage_notes import OutageAnswer, OutageNotes
from engine.adapters.roster import FileRoster
from engine.core.vocabulary.escalations import Rung
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.errors import StorageError
from engine.runtime.client import EngineClient
from engine.runtime.wire_escalations import ChangeOnCall
from notifiers.book import RosterBook
from notifiers.last_resort import LastResort, Ways
from notifiers.ntfy import Ntfy
from simulator.fakes.fake_provider import FakeProvider, Reply, drop
from simulator.fakes.fake_pushes import FakeNtfy
from tests.http.placing import Silent
from tests.http.waking import LOUD, PEOPLE, SCHEDULE, ladder, ladders
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
CALM = structs.replace(LOUD, loud=False)


class Watch:
    """A last resort over the socket of a place, on a clock that a test moves, with a real ntfy channel."""

    def __init__(self, place, provider, fake, **changes) -> None:
        self.now_us = 1_795_737_600_000_000
        self.fake, self.provider = fake, provider
        self.notes = OutageNotes(place.layout.outage, place.layout.outage_answer)
        self.channel = Ntfy(provider.url, answerable=True, deadline_s=2)
        self.engine = EngineClient(place.layout.socket)
        roster = FileRoster(PEOPLE, (SCHEDULE,), channels={"ntfy": CALM, "console": CALM})
        tokens = LinkTokens(place.layout.link_secret, "https://watch.example.com", now=lambda: self.now_us)
        self.ways = Ways(
            channels={"ntfy": self.channel},
            roster=roster,
            book=RosterBook(roster),
            ladder=ladder(**changes),
            link=tokens.link_for,
        )
        self.again()

    def again(self) -> None:
        """Start as a process that is started again does: with what stands in the files."""
        self.resort = LastResort(
            self.engine, self.ways, self.notes, now_us=lambda: self.now_us, after_s=30, look_s=0.01
        )

    async def after(self, seconds: float) -> list[tuple[str, str]]:
        """Let time pass, look, and return who was told what since: the topic and the title."""
        seen = len(self.fake.published)
        self.now_us += round(seconds * SECOND_US)
        await self.resort.look()
        return sorted((each["topic"], each["title"]) for each in self.fake.published[seen:])


@contextlib.asynccontextmanager
async def watching(place, **changes):
    fake = FakeNtfy()
    async with FakeProvider(fake) as provider:
        watch = Watch(place, provider, fake, **changes)
        try:
            yield watch
        finally:
            await watch.channel.close()
            await watch.engine.close()


AWAY = "The engine of Watchkeeper does not answer"
RAY, CAT = ("ray-topic", AWAY), ("cat-topic", AWAY)


async def test_it_climbs_the_ladder_over_and_over_until_the_engine_answers(place):
    async with watching(place) as watch:
        assert await watch.after(0) == []
        assert await watch.after(29) == []
        assert await watch.after(1) == [RAY]
        assert await watch.after(59) == []
        assert await watch.after(1) == [CAT]
        assert await watch.after(60) == [RAY], "from the first rung again"
        async with place.engine(ladders=ladders()):
            over = [("cat-topic", "The engine of Watchkeeper answers again")]
            assert await watch.after(1) == [*over, ("ray-topic", over[0][1])]
            assert await watch.after(60) == []
        assert watch.notes.standing() is None
        assert await watch.after(1) == []
        assert await watch.after(30) == [RAY], "another outage"


async def test_an_engine_that_is_restarted_wakes_nobody(place):
    async with watching(place) as watch:
        for _ in range(3):
            assert await watch.after(20) == []
            async with place.engine(ladders=ladders()):
                assert await watch.after(1) == []
        assert watch.notes.standing() is None


async def test_an_engine_that_takes_connections_and_says_nothing_is_as_good_as_dead(place, monkeypatch):
    monkeypatch.setattr("notifiers.last_resort._PATIENCE_S", 0.1)
    with Silent(place.layout.socket):
        async with watching(place) as watch:
            assert await watch.after(0) == []
            assert await watch.after(30) == [RAY]


async def test_whoever_has_it_ends_the_ringing_the_others_are_told_and_it_is_asked_again(place):
    async with watching(place) as watch:
        await watch.after(0)
        await watch.after(30)
        await watch.after(60)
        outage = watch.notes.standing().outage_id
        watch.notes.answer(OutageAnswer(outage_id=outage, by=PersonId("ray"), at_us=watch.now_us))
        assert await watch.after(1) == [("cat-topic", "ray has it: the engine does not answer")]
        watch.again()
        assert await watch.after(0) == []
        assert await watch.after(60) == [], "told once, and nobody is rung, also by a pager that began anew"
        assert await watch.after(15 * 60) == [RAY], "nothing moved, so all of it begins anew"
        assert watch.notes.answered(outage) is None
        assert await watch.after(60) == [CAT]


async def test_what_is_pushed_is_answered_by_its_link_and_says_since_when(place):
    async with watching(place) as watch:
        await watch.after(0)
        await watch.after(30)
    (push,) = watch.fake.published
    (action, opened) = push["actions"]
    assert (action["method"], action["body"]) == ("POST", "word=acknowledge")
    assert action["url"] == opened["url"] == push["click"]
    tokens = LinkTokens(place.layout.link_secret, "https://watch.example.com")
    bearer = tokens.bearer_of(push["click"].rpartition("/")[2])
    assert (bearer.person, bearer.escalation_id.startswith("outage-")) == ("ray", True)
    assert (push["priority"], "since 00:00" in push["message"]) == (5, True)


async def test_a_pager_that_is_started_again_goes_on_from_where_it_was(place):
    async with watching(place) as watch:
        await watch.after(0)
        assert await watch.after(30) == [RAY]
        watch.again()
        assert await watch.after(10) == [], "it must not take its own start for an outage"
        assert await watch.after(30) == []
        assert await watch.after(20) == [CAT]
        numbers = [each["sequence_id"] for each in watch.fake.published]
        assert len(set(numbers)) == 2
        watch.again()
        async with place.engine(ladders=ladders()):
            assert len(await watch.after(1)) == 2, "whoever was woken before the restart hears of the end"


async def test_a_rung_that_reaches_nobody_is_not_waited_for(place):
    rungs = (
        Rung(to=("nobody",), by=("ntfy",), wait_us=10 * MINUTE_US),
        Rung(to=("on-call:gone",), by=("ntfy",), post=("console",), wait_us=10 * MINUTE_US),
        Rung(to=("role:captain",), by=("ntfy", "sms"), wait_us=MINUTE_US),
    )
    async with watching(place, rungs=rungs) as watch:
        await watch.after(0)
        assert await watch.after(30) == []
        assert await watch.after(5) == []
        assert await watch.after(5) == [CAT]


async def test_a_channel_that_fails_is_used_again_for_the_next_ring(place):
    async with watching(place) as watch:
        watch.provider.faults += [Reply(status=500), drop]
        await watch.after(0)
        assert await watch.after(30) == []
        assert await watch.after(5) == [], "nobody heard, so the next rung does not wait"
        assert await watch.after(5) == [RAY]


async def test_providers_that_are_down_later_are_not_waited_for_either(place):
    async with watching(place) as watch:
        await watch.after(0)
        assert await watch.after(30) == [RAY]
        watch.provider.faults += [Reply(status=500)]
        assert await watch.after(60) == []
        assert await watch.after(5) == [RAY], "the rung after the one that nobody heard"


async def test_an_answer_that_cannot_be_taken_away_does_not_ring_for_ever(place, monkeypatch):
    def refuse():
        raise StorageError("the disk can be read only")

    async with watching(place) as watch:
        await watch.after(0)
        await watch.after(30)
        outage = watch.notes.standing().outage_id
        watch.notes.answer(OutageAnswer(outage_id=outage, by=PersonId("ray"), at_us=watch.now_us))
        await watch.after(1)
        monkeypatch.setattr(watch.notes, "ask_again", refuse)
        assert await watch.after(15 * 60) == [RAY]
        assert await watch.after(2) == []
        assert await watch.after(58) == [CAT]
        async with place.engine(ladders=ladders()):
            assert len(await watch.after(1)) == 2, "the end is told, noted or not"


async def test_a_disk_that_takes_nothing_keeps_nobody_asleep(place):
    place.layout.outage.mkdir()
    async with watching(place) as watch:
        await watch.after(0)
        assert await watch.after(30) == [RAY]
        assert await watch.after(60) == [CAT]


async def test_whoever_was_on_call_when_the_engine_was_last_heard_is_rung(place):
    async with watching(place) as watch:
        async with place.engine(ladders=ladders()) as live:
            swap = ChangeOnCall(
                schedule="primary",
                person=PersonId("cat"),
                from_us=0,
                until_us=live.clock.now_us() * 2,
                by=PersonId("ray"),
            )
            await watch.engine.ask(swap)
            assert await watch.after(0) == []
        await watch.after(1)
        assert await watch.after(30) == [CAT]


async def test_it_runs_by_itself(place):
    async with watching(place) as watch:
        work = asyncio.create_task(watch.resort.run())
        async with asyncio.timeout(PATIENCE_S):
            while not watch.fake.published:
                watch.now_us += SECOND_US
                await asyncio.sleep(0.01)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
