"""SMS through Twilio, over real sockets: what arrives, and what comes of the answers."""

import pytest
import pytest_asyncio

from notifiers.channel import NotSent
from notifiers.gsm7 import fits
from notifiers.sms import SmsChannel
from simulator.fakes.fake_twilio import FakeTwilio, Phone
from tests.notifiers.twilio_world import CAT, JUST_ACK, PUBLIC, RAY, DeskOfTests, client, fronted, message

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def fake():
    made = FakeTwilio()
    await made.start()
    yield made
    await made.close()


async def answered(fake, *texts, desk=None, number=CAT, sent=None):
    """Send one SMS and write back; returns what came back, and the desk."""
    sent = sent or message()
    desk = desk or DeskOfTests(sent)
    channel = SmsChannel(client(fake), public_url=PUBLIC)
    async with fronted(fake, desk):
        await channel.send(sent)
        await fake.settled()
        back = [await fake.write(number, text) for text in texts]
    await channel.close()
    return back, desk


async def test_one_sms_says_all(fake):
    await answered(fake)
    (text,) = fake.texts(CAT)
    assert text.segments == 1
    assert fits(text.body)
    for said in ("4711", "Delete three volumes", "14 min", "ACK", "OK", "NO", "NEXT", "KILL"):
        assert said in text.body
    assert fake.problems() == ()


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("4711 ACK", "acknowledge"),
        ("ack 4711", "acknowledge"),
        ("4711 OK.", "approve"),
        ("4711 no", "deny"),
        ("4711 next", "pass"),
        ("4711 KILL", "stop"),
    ],
)
async def test_an_answer_does_what_it_says(fake, written, word):
    back, desk = await answered(fake, written)
    # A stop asks nobody what it is about.
    about = "by SMS, 4711" if word == "stop" else "e_288ca454f1551b4.1"
    assert desk.said == [(about, "cat", word, "sms")]
    assert back == ["All autonomy is stopped." if word == "stop" else f"Noted: {word}."]


@pytest.mark.parametrize(
    "written", ["ok", "no", "kill", "Ack", "next", "Who is this?", "", "4711", "4711 OK NO", "12 ACK"]
)
async def test_what_is_no_clear_answer_does_nothing_and_is_told_so(fake, written):
    back, desk = await answered(fake, written)
    assert desk.said == []
    assert "4711 ACK" in back[0]


async def test_a_wrong_code_does_nothing(fake):
    back, desk = await answered(fake, "4712 ACK")
    assert (back, desk.said) == (["Nothing is open with code 4712."], [])


async def test_codes_cannot_be_guessed_in_somebodys_name(fake):
    """The sender of an SMS can be forged: after ten wrong codes the right one does nothing either."""
    back, desk = await answered(fake, *[f"{code} ACK" for code in range(1000, 1015)], "4711 ACK")
    assert desk.said == []
    assert back[9:] == ["Nothing is open with code 1009.", *[""] * 6]


async def test_a_few_slips_are_forgiven(fake):
    _, desk = await answered(fake, "4712 ACK", "4711 AKC", "4171 ACK", "4711 ACK")
    assert len(desk.said) == 1


async def test_somebody_who_guesses_keeps_nobody_else_out(fake):
    both = DeskOfTests(message(), message(notification_id="e_2.1", person="ray", address=RAY))
    await answered(fake, *[f"{code} ACK" for code in range(1000, 1015)], desk=both)
    back, _ = await answered(fake, "4711 ACK", number=RAY, desk=both)
    assert back == ["Noted: acknowledge."]


async def test_what_is_not_offered_is_not_done(fake):
    back, desk = await answered(fake, "4711 OK", sent=message(choices=JUST_ACK))
    assert desk.said == []
    assert back == ["OK is not possible. Answer 4711 ACK, NEXT"]


async def test_a_stranger_does_nothing_and_hears_nothing(fake):
    back, desk = await answered(fake, "4711 ACK", number="+12025550123")
    assert (back, desk.said) == ([""], [])


async def test_somebody_else_answers_as_themselves_only(fake):
    back, desk = await answered(fake, "4711 ACK", number=RAY)
    assert desk.said == []
    assert back == ["Nothing is open with code 4711."]


async def test_an_answer_that_comes_twice_is_done_once(fake):
    fake.redeliver(copies=3)
    _, desk = await answered(fake, "4711 NEXT")
    assert len(desk.said) == 1


async def test_the_same_words_written_again_are_another_answer(fake):
    _, desk = await answered(fake, "4711 ACK", "4711 ACK")
    assert len(desk.said) == 2
    assert len(set(desk.keys)) == 2


async def test_an_engine_that_is_away_is_told(fake):
    desk = DeskOfTests(message())
    desk.away = True
    back, _ = await answered(fake, "4711 ACK", desk=desk)
    assert back == ["Not done: the engine does not answer"]


async def test_what_failed_can_be_tried_again(fake):
    desk = DeskOfTests(message())
    channel = SmsChannel(client(fake), public_url=PUBLIC)
    async with fronted(fake, desk):
        await channel.send(message())
        desk.away = True
        first = await fake.write(CAT, "4711 ACK", sid="SM" + "1" * 32)
        desk.away = False
        second = await fake.write(CAT, "4711 ACK", sid="SM" + "2" * 32)
    await channel.close()
    assert first.startswith("Not done")
    assert second == "Noted: acknowledge."


async def test_who_writes_stop_is_lost_to_sms_and_that_is_a_wrong_address(fake):
    channel = SmsChannel(client(fake), public_url=PUBLIC)
    await answered(fake, "STOP")
    with pytest.raises(NotSent) as caught:
        await channel.send(message())
    await channel.close()
    assert caught.value.kind == "address"
    assert "START" in caught.value.cure


@pytest.mark.parametrize(
    ("phone", "last"),
    [
        (Phone(), ("delivered", "delivered")),
        (Phone(sms="undelivered"), ("failed", "error 30003: the phone is off or out of reach")),
    ],
)
async def test_what_became_of_it_is_reported(fake, phone, last):
    fake.phone(CAT, phone)
    _, desk = await answered(fake)
    assert desk.reports == [last]


async def test_silence_reports_nothing(fake):
    fake.phone(CAT, Phone(sms="silent"))
    _, desk = await answered(fake)
    assert desk.reports == []


async def test_without_an_address_of_ours_it_does_not_say_how_to_answer(fake):
    channel = SmsChannel(client(fake), public_url="")
    await channel.send(message())
    await fake.settled()
    await channel.close()
    (text,) = fake.texts(CAT)
    assert "Answer" not in text.body
    assert fake.back.sent == []
    assert not channel.capabilities.acknowledge
