"""The pager sends what the engine wants sent, once, and tells what became of it, whatever goes wrong."""

import asyncio
import contextlib

import pytest

from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.units import SECOND_US
from notifiers.channel import Acknowledged, Capabilities, NotSent, Report, Sent
from notifiers.pager import Pager
from tests.escalations.test_waking import asks, awake, listed
from tests.live.engines import eventually
from tests.live.test_holds import facts

pytestmark = pytest.mark.asyncio


class Scripted:
    """A channel that does as told, and keeps what it was asked to send."""

    def __init__(self, name: str, *outcomes: object, personal: bool = True) -> None:
        self.name, self.outcomes = name, list(outcomes)
        self.capabilities = Capabilities(
            loud=True, personal=personal, receipt=True, acknowledge=True, latency_s=1, cost_usd=0
        )
        self.sent = []
        self.looked: list[str] = []
        self.earlier: dict[str, Sent] = {}
        self.silenced: list[tuple[str, str]] = []
        self.heard = asyncio.Queue()
        self.expected: list[tuple[str, str]] = []

    async def send(self, message):
        self.sent.append(message)
        outcome = self.outcomes.pop(0) if self.outcomes else Sent(delivery="accepted", ref="r")
        if isinstance(outcome, Exception):
            raise outcome
        if outcome == "hang":
            await asyncio.Event().wait()
        return outcome

    async def reconcile(self, message):
        self.looked.append(message.notification_id)
        return self.earlier.get(message.notification_id)

    async def check(self, address):
        return ""

    async def close(self):
        pass

    async def listen(self, hear):
        while True:
            await hear(await self.heard.get())

    def expect(self, message, ref):
        self.expected.append((message.notification_id, ref))

    async def silence(self, escalation_id, person):
        self.silenced.append((escalation_id, person))


class Book:
    def __init__(self) -> None:
        self.without: set[str] = set()

    def address(self, person, channel):
        return "" if channel in self.without else f"{person}@{channel}"

    def clock(self, person, at_us):
        return "03:14"

    def role(self, person):
        return "responder"


@contextlib.asynccontextmanager
async def paging(it, *channels, book=None, name="pager:1"):
    pager = Pager(
        it.client,
        {channel.name: channel for channel in channels},
        book or Book(),
        name=name,
        now_us=it.clock.now_us,
        link=lambda escalation, person: f"https://wk.example.org/e/{escalation}/{person}",
    )
    work = asyncio.create_task(pager.run())
    try:
        yield pager
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def chat():
    return Scripted("slack"), Scripted("slack-channel", personal=False)


def reports(home):
    return [
        (fact.notification_id[-2:], fact.attempt, fact.delivery)
        for fact in facts(home, e.NotificationReported)
    ]


async def test_what_is_to_be_sent_is_sent_once_and_reported(tmp_path):
    direct, channel = chat()
    async with awake(tmp_path) as it, paging(it, direct, channel):
        await it.ask(asks(evidence=("92 % full", "was 40 %", "third line")))
        await eventually(lambda: len(reports(tmp_path)) == 2)
        (message,) = direct.sent
        assert (message.address, message.title) == ("ada@slack", "look at it")
        assert message.lines[:2] == ("92 % full", "was 40 %")
        assert "third line" not in message.lines
        assert [choice.word for choice in message.choices] == ["acknowledge", "pass", "stop"]
        assert message.link.endswith("/ada")
        assert sorted(reports(tmp_path)) == [(".1", 1, "accepted"), (".2", 1, "accepted")]
        assert len(channel.sent) == 1


async def test_a_channel_that_is_not_there_or_has_no_address_is_reported_and_not_tried_again(tmp_path):
    book = Book()
    book.without = {"slack"}
    direct, _ = chat()
    async with awake(tmp_path) as it, paging(it, direct, book=book):
        await it.ask(asks())
        await eventually(lambda: len(reports(tmp_path)) == 2)
        assert {fact.kind for fact in facts(tmp_path, e.NotificationReported)} == {"address", "setup"}
        assert direct.sent == []


async def test_a_failure_is_tried_again_when_the_engine_says_so(tmp_path):
    direct, channel = chat()
    direct.outcomes = [NotSent("503", kind="broken")]
    async with awake(tmp_path) as it, paging(it, direct, channel):
        await it.ask(asks())
        await eventually(lambda: len(reports(tmp_path)) == 2)
        it.clock.pass_us(2 * SECOND_US)
        await it.live.waking.turn()
        await eventually(lambda: len(direct.sent) == 2)
        assert [message.attempt for message in direct.sent] == [1, 2]
        assert len({message.notification_id for message in direct.sent}) == 1


async def test_after_an_uncertain_try_it_looks_before_it_sends(tmp_path):
    direct, channel = chat()
    direct.outcomes = [NotSent("cut off", kind="unsure")]
    async with awake(tmp_path) as it, paging(it, direct, channel):
        await it.ask(asks())
        await eventually(lambda: direct.sent)
        direct.earlier[direct.sent[0].notification_id] = Sent(delivery="accepted", ref="found")
        await eventually(lambda: len(reports(tmp_path)) == 2)
        await it.live.waking.turn()
        await eventually(lambda: direct.looked)
        await eventually(lambda: len(reports(tmp_path)) == 3)
        assert len(direct.sent) == 1, "what was found is not sent again"
        assert facts(tmp_path, e.NotificationReported)[-1].ref == "found"


async def test_a_channel_with_a_bug_takes_no_other_with_it(tmp_path):
    direct, channel = chat()
    direct.outcomes = [ZeroDivisionError()]
    async with awake(tmp_path) as it, paging(it, direct, channel):
        await it.ask(asks())
        await eventually(lambda: len(reports(tmp_path)) == 2)
        assert len(channel.sent) == 1
        assert {fact.delivery for fact in facts(tmp_path, e.NotificationReported)} == {"accepted", "unsure"}


async def test_a_pager_that_dies_in_the_middle_is_followed_by_one_that_looks_first(tmp_path):
    direct, channel = chat()
    direct.outcomes = ["hang"]
    async with awake(tmp_path) as it:
        async with paging(it, direct, channel):
            await it.ask(asks())
            await eventually(lambda: direct.sent)
        direct.earlier[direct.sent[0].notification_id] = Sent(delivery="delivered", ref="it rang")
        async with paging(it, direct, channel, name="pager:2"):
            await eventually(lambda: len(reports(tmp_path)) == 2)
        assert len(direct.sent) == 1


async def test_reports_and_acknowledgements_of_a_provider_are_passed_on(tmp_path):
    direct, channel = chat()
    async with awake(tmp_path) as it, paging(it, direct, channel):
        await it.ask(asks())
        await eventually(lambda: direct.expected)
        await eventually(lambda: len(reports(tmp_path)) == 2)
        (name, _), *_ = direct.expected
        await direct.heard.put(Report(notification_id=name, delivery="delivered"))
        await eventually(lambda: len(reports(tmp_path)) == 3)
        await direct.heard.put(Acknowledged(notification_id=name, person=PersonId("ada")))
        await eventually(lambda: facts(tmp_path, e.EscalationAcknowledged))
        assert (await listed(it))[0].holder == "ada"
        (taken,) = facts(tmp_path, e.EscalationAcknowledged)
        assert taken.via == "slack"
        await eventually(lambda: direct.silenced)
        assert direct.silenced == [(taken.escalation_id, "ada")]


async def test_a_pager_that_is_started_again_goes_on_asking_about_what_was_sent(tmp_path):
    direct, channel = chat()
    async with awake(tmp_path) as it:
        async with paging(it, direct, channel):
            await it.ask(asks())
            await eventually(lambda: len(reports(tmp_path)) == 2)
        direct.expected.clear()
        async with paging(it, direct, channel, name="pager:2"):
            await eventually(lambda: direct.expected)
        assert direct.expected[0][1] == "r"
        assert len(direct.sent) == 1
