"""Calls through Twilio, over real sockets: what the phone hears, and what its keys do."""

import asyncio

import pytest
import pytest_asyncio

from notifiers.call import CallChannel
from simulator.fakes.fake_twilio import FakeTwilio, Phone
from tests.notifiers.twilio_world import CAT, JUST_ACK, PUBLIC, DeskOfTests, client, fronted, message

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def fake():
    made = FakeTwilio()
    await made.start()
    yield made
    await made.close()


async def rung(fake, phone, sent=None, desk=None):
    """Call a phone and see it to its end; returns the call and the desk."""
    sent = sent or message()
    desk = desk or DeskOfTests(sent)
    fake.phone(CAT, phone)
    channel = CallChannel(client(fake), public_url=PUBLIC)
    async with fronted(fake, desk):
        taken = await channel.send(sent)
        await fake.settled()
    await channel.close()
    assert fake.problems() == ()
    (call,) = fake.calls(CAT)
    assert taken.ref == call.sid
    assert taken.delivery == "accepted"
    return call, desk


async def test_a_key_acknowledges(fake):
    call, desk = await rung(fake, Phone(answers="person", keys=("1",)))
    assert desk.said == [("e_288ca454f1551b4.1", "cat", "acknowledge", "call")]
    assert "Delete three volumes of payments?" in call.heard[0]
    assert "Denied at the deadline" in call.heard[0]
    assert any("Noted: acknowledge." in said for said in call.heard)


async def test_who_acknowledged_can_decide_in_the_same_call(fake):
    _, desk = await rung(fake, Phone(answers="person", keys=("1", "2")))
    assert [said[2] for said in desk.said] == ["acknowledge", "approve"]


@pytest.mark.parametrize(("key", "word"), [("2", "approve"), ("3", "deny"), ("5", "pass")])
async def test_each_key_says_one_word_and_ends_the_call(fake, key, word):
    call, desk = await rung(fake, Phone(answers="person", keys=(key, "1")))
    assert [said[2] for said in desk.said] == [word]
    assert call.heard[-1] == f"Noted: {word}. Goodbye."


async def test_what_is_not_offered_cannot_be_approved(fake):
    _, desk = await rung(fake, Phone(answers="person", keys=("2", "2", "3")), message(choices=JUST_ACK))
    assert desk.said == []


async def test_stopping_everything_takes_the_key_twice(fake):
    _, desk = await rung(fake, Phone(answers="person", keys=("9",)))
    assert desk.said == []


async def test_pressed_twice_it_stops(fake):
    _, desk = await rung(fake, Phone(answers="person", keys=("9", "9")))
    assert [said[2] for said in desk.said] == ["stop"]


async def test_another_key_takes_the_stop_back(fake):
    call, desk = await rung(fake, Phone(answers="person", keys=("9", "1", "1")))
    assert [said[2] for said in desk.said] == ["acknowledge"]
    assert any("Nothing was stopped." in said for said in call.heard)


@pytest.mark.parametrize("key", ["0", "*"])
async def test_it_is_said_again_on_a_key(fake, key):
    call, desk = await rung(fake, Phone(answers="person", keys=(key,)))
    assert sum("Delete three volumes" in said for said in call.heard) == 2
    assert desk.said == []


@pytest.mark.parametrize("key", ["4", "7", "#"])
async def test_a_wrong_key_does_nothing(fake, key):
    call, desk = await rung(fake, Phone(answers="person", keys=(key,)))
    assert any("That key does nothing here." in said for said in call.heard)
    assert desk.said == []


async def test_answered_is_not_acknowledged(fake):
    call, desk = await rung(fake, Phone(answers="person"))
    assert desk.said == []
    assert call.heard[-1] == "Nothing was pressed, so nobody has it. Goodbye."
    assert ("answered", "in-progress") in desk.reports


async def test_a_voicemail_is_told_that_it_counts_for_nothing(fake):
    call, desk = await rung(fake, Phone(answers="voicemail", keys=("1",)))
    assert desk.said == []
    assert len(call.heard) == 1
    assert "This message is no answer" in call.heard[0]
    assert ("answered", "voicemail") in desk.reports


@pytest.mark.parametrize(
    ("answers", "detail"), [("busy", "busy"), ("nobody", "no-answer"), ("failed", "failed")]
)
async def test_nobody_there_is_reported_as_failed(fake, answers, detail):
    _, desk = await rung(fake, Phone(answers=answers))
    assert desk.reports[-1] == ("failed", detail)
    assert desk.said == []


async def test_hanging_up_is_no_answer(fake):
    call, desk = await rung(fake, Phone(answers="person", hangs_up=True, keys=("1",)))
    assert (call.heard, desk.said) == ([], [])
    assert ("answered", "completed") in desk.reports


async def test_a_lie_about_a_completed_call_acknowledges_nothing(fake):
    call, desk = await rung(fake, Phone(lies=True))
    assert call.heard == []
    assert desk.said == []
    assert {delivery for delivery, _ in desk.reports} == {"delivered", "answered"}


async def test_doubled_callbacks_do_nothing_twice(fake):
    fake.redeliver(copies=3)
    _, desk = await rung(fake, Phone(answers="person", keys=("5",)))
    assert [said[2] for said in desk.said] == ["pass"]


async def test_doubled_callbacks_at_once_do_nothing_twice(fake):
    desk = DeskOfTests(message())
    desk.takes_s = 0.2
    fake.phone(CAT, Phone(answers="person", keys=("5",)))
    channel = CallChannel(client(fake), public_url=PUBLIC)
    async with fronted(fake, desk):
        await channel.send(message())
        await fake.settled()
        (key,) = [sent for sent in fake.back.sent if sent.url.split("?")[0].endswith("/key")]
        again = await asyncio.gather(*(fake.back.post(key.url, list(key.fields)) for _ in range(5)))
    await channel.close()
    assert {each.body for each in again} == {key.body}
    assert len(desk.said) == 1


async def test_late_callbacks_are_harmless(fake):
    fake.be_late(by_s=0.3)
    _, desk = await rung(fake, Phone(answers="person", keys=("1",)))
    assert [said[2] for said in desk.said] == ["acknowledge"]
    assert len(desk.reports) == 3


async def test_a_key_for_what_is_over_does_nothing(fake):
    desk = DeskOfTests()
    call, _ = await rung(fake, Phone(answers="person", keys=("1",)), desk=desk)
    assert desk.said == []
    assert call.heard == ["This is Watchkeeper. What you were called for is over. Goodbye."]


async def test_what_cannot_be_done_is_said_and_can_be_tried_again(fake):
    desk = DeskOfTests(message())
    desk.refuses = "you may not approve your own"
    call, _ = await rung(fake, Phone(answers="person", keys=("2", "2")), desk=desk)
    assert sum("you may not approve your own Nothing was done." in said for said in call.heard) == 2


async def test_an_engine_that_is_away_is_said_and_waited_for(fake):
    desk = DeskOfTests(message())
    desk.away = True
    call, _ = await rung(fake, Phone(answers="person", keys=("1",)), desk=desk)
    assert sum("the engine does not answer." in said for said in call.heard) >= 6, "it comes back five times"
    assert call.heard[-1] == "Nothing was done. Goodbye."
    assert desk.said == []


async def test_a_call_stops_everything_with_the_engine_away(fake):
    desk = DeskOfTests(message())
    desk.away = True
    call, _ = await rung(fake, Phone(answers="person", keys=("9", "9")), desk=desk)
    assert desk.said == [(f"by call {call.sid}", "cat", "stop", "call")]
    assert call.heard[-1] == "All autonomy is stopped. Goodbye."


async def test_one_key_alone_stops_nothing(fake):
    desk = DeskOfTests(message())
    desk.away = True
    await rung(fake, Phone(answers="person", keys=("9", "1")), desk=desk)
    assert desk.said == []


async def test_news_for_the_others_asks_for_no_key(fake):
    call, _ = await rung(fake, Phone(answers="person", keys=("1",)), message(purpose="told", choices=()))
    assert call.pressed == []
    assert call.heard[0].endswith("Goodbye.")


async def test_a_drill_says_that_it_is_one(fake):
    call, _ = await rung(fake, Phone(answers="person"), message(drill=True))
    assert "This is a drill." in call.heard[0]


async def test_without_an_address_of_ours_it_speaks_all_the_same(fake):
    fake.phone(CAT, Phone(answers="person", keys=("1",)))
    channel = CallChannel(client(fake), public_url="")
    await channel.send(message())
    await fake.settled()
    await channel.close()
    (call,) = fake.calls(CAT)
    assert sum("Delete three volumes" in said for said in call.heard) == 2
    assert fake.back.sent == []
    assert fake.problems() == ()
    assert not channel.capabilities.acknowledge
    assert not channel.capabilities.receipt
