"""How sends through Twilio fail: what each failure is called, and that an uncertain one is looked for."""

import asyncio
import time
from email.utils import formatdate

import pytest
import pytest_asyncio
from msgspec.structs import replace

from engine.settings.twilio import TwilioSection
from notifiers.call import CallChannel
from notifiers.channel import NotSent
from notifiers.sms import SmsChannel
from notifiers.twilio_client import TwilioClient
from simulator.fakes.fake_twilio import FakeTwilio
from tests.notifiers.twilio_world import CAT, PUBLIC, RAY, client, message, now_message

pytestmark = pytest.mark.asyncio
KINDS = {"call": CallChannel, "sms": SmsChannel}


@pytest_asyncio.fixture
async def fake():
    made = FakeTwilio(plays_phones=False)
    await made.start()
    yield made
    await made.close()


@pytest_asyncio.fixture(params=KINDS)
async def channel(fake, request):
    made = KINDS[request.param](client(fake, timeout_s=1.0), public_url=PUBLIC)
    yield made
    await made.close()


async def failure(channel, sent=None) -> NotSent:
    with pytest.raises(NotSent) as caught:
        await channel.send(sent or now_message())
    return caught.value


@pytest.mark.parametrize("address", ["", "015112345678", "+49 151", "cat@example.org", "+0123456789"])
async def test_what_is_no_number_is_refused_before_anybody_is_asked(fake, channel, address):
    assert (await failure(channel, now_message(address=address))).kind == "address"
    assert fake.requests == []


@pytest.mark.parametrize("code", [21211, 21214, 21217, 21610, 21612, 21614, 21408, 21215, 21608, 13224])
async def test_a_wrong_number_is_a_wrong_number_and_has_a_cure(fake, channel, code):
    fake.refuse_number(CAT, code)
    error = await failure(channel)
    assert error.kind == "address"
    assert str(code) in error.message
    assert error.cure
    await channel.send(now_message(address=RAY))


@pytest.mark.parametrize("code", [21205, 21210, 21606, 21609, 99999])
async def test_what_else_is_refused_is_the_setup(fake, channel, code):
    fake.refuse_number(CAT, code)
    error = await failure(channel)
    assert error.kind == "setup"
    assert error.cure


async def test_a_wrong_token_is_the_setup(fake):
    made = CallChannel(TwilioClient(client(fake).section, token="wrong"), public_url=PUBLIC)
    error = await failure(made)
    assert error.kind == "setup"
    assert "twilio-token" in error.cure
    assert fake.calls() == []
    await made.close()


@pytest.mark.parametrize(("given", "wait_s"), [("7", 7.0), ("", None), ("soon", None), ("9" * 30, 86_400.0)])
async def test_too_many_requests_say_how_long_to_wait(fake, channel, given, wait_s):
    fake.limit(calls=1, retry_after=given)
    error = await failure(channel)
    assert (error.kind, error.retry_s) == ("busy", wait_s)
    await channel.send(now_message())


async def test_a_time_to_come_back_at_is_understood(fake, channel):
    fake.limit(calls=1, retry_after=formatdate(time.time() + 30, usegmt=True))
    assert 20 < (await failure(channel)).retry_s <= 31


@pytest.mark.parametrize(
    ("status", "kind"),
    [(500, "broken"), (503, "broken"), (502, "unsure"), (504, "unsure"), (302, "setup"), (403, "setup")],
)
async def test_a_status_is_called_what_it_is(fake, channel, status, kind):
    fake.fail(calls=1, status=status)
    assert (await failure(channel)).kind == kind
    assert len(fake.requests) == 1


async def test_a_server_that_is_down_is_broken_and_comes_back(fake, channel):
    await channel.send(now_message())
    await fake.go_down()
    assert (await failure(channel)).kind == "broken"
    await fake.start()
    await channel.send(now_message())


async def test_a_name_that_nobody_knows_is_broken(fake):
    section = TwilioSection(
        account_sid=fake.account_sid, from_number=fake.account.number, base_url="https://no-such.invalid"
    )
    made = CallChannel(TwilioClient(section, token="x"), public_url=PUBLIC)
    assert (await failure(made)).kind == "broken"
    await made.close()


async def test_a_server_that_answers_no_greeting_is_broken_in_time():
    """TLS that never comes about: nothing was sent."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    section = TwilioSection(
        account_sid="AC" + "0" * 32,
        from_number=RAY,
        base_url=f"https://127.0.0.1:{port}",
        timeout_s=1.0,
    )
    made = CallChannel(TwilioClient(section, token="x"), public_url=PUBLIC)
    began_s = time.monotonic()
    assert (await failure(made)).kind == "broken"
    assert time.monotonic() - began_s < 5
    await made.close()
    server.close()


@pytest.mark.parametrize("how", ["hang", "cut", "trickle", "garble"])
@pytest.mark.parametrize("taken", [True, False])
async def test_an_answer_that_never_comes_whole_is_unsure(fake, channel, how, taken):
    fake.spoil(how, calls=1, taken=taken)
    sent = now_message()
    began_s = time.monotonic()
    error = await failure(channel, sent)
    assert time.monotonic() - began_s < 5, "our own limit of 1 s ends it"
    assert error.kind == ("unsure" if taken or how in {"hang", "cut"} else error.kind)
    found = await channel.reconcile(sent)
    assert (found is not None) == taken
    if taken:
        made = [*fake.calls(), *fake.texts()]
        assert found.ref == made[0].sid


async def test_who_never_got_a_turn_sent_nothing(fake):
    made = CallChannel(client(fake, timeout_s=0.5, connections=1), public_url=PUBLIC)
    fake.spoil("hang", calls=10, taken=True)
    first, second = await asyncio.gather(
        *(made.send(now_message(notification_id=f"e_{n}.1")) for n in range(2)), return_exceptions=True
    )
    assert first.kind == "unsure"
    # On a busy machine both deadlines may pass in one turn of the loop, and the second have its turn then.
    assert second.kind == ("broken" if len(fake.requests) == 1 else "unsure")
    await made.close()


async def test_a_later_try_finds_what_an_earlier_one_made(fake, channel):
    """It is written anew: less time is left, and more came together."""
    fake.spoil("hang", calls=1, taken=True)
    first = now_message()
    await failure(channel, first)
    later_us = first.sent_us + 40 * 10**6
    again = replace(first, attempt=2, sent_us=later_us, since_us=first.sent_us, count=12)
    assert (await channel.reconcile(again)) is not None
    reborn = type(channel)(client(fake), public_url=PUBLIC)
    assert (await reborn.reconcile(again)) is not None
    assert await reborn.reconcile(replace(again, notification_id="e_2.1", code="1234")) is None
    await reborn.close()


async def test_what_an_earlier_ring_made_is_not_taken_for_this_one(fake, channel):
    await channel.send(now_message(notification_id="e_1.1"))
    fake.spoil("hang", calls=1, taken=False)
    later = now_message(notification_id="e_1.2")
    await failure(channel, later)
    assert await channel.reconcile(later) is None


async def test_after_a_restart_an_earlier_ring_is_known_by_its_time(fake, channel):
    now_s = time.time()
    fake.account.clock = lambda: now_s - 60
    await channel.send(now_message(notification_id="e_1.1"))
    fake.account.clock = lambda: now_s
    reborn = type(channel)(client(fake), public_url=PUBLIC)
    assert await reborn.reconcile(now_message(notification_id="e_1.2")) is None
    await reborn.close()


@pytest.mark.parametrize("ahead_s", [-3600, 3600])
async def test_a_clock_that_is_off_hides_nothing_and_lets_nothing_pass(fake, channel, ahead_s):
    fake.account.clock = lambda: time.time() + ahead_s - 60
    await channel.send(now_message(notification_id="e_1.1"))
    fake.account.clock = lambda: time.time() + ahead_s
    sent = now_message(notification_id="e_1.2")
    reborn = type(channel)(client(fake), public_url=PUBLIC)
    assert await reborn.reconcile(sent) is None
    await channel.send(sent)
    assert (await reborn.reconcile(sent)) is not None
    await reborn.close()


async def test_two_that_nobody_knows_of_never_share_one_call(fake, channel):
    """Whose the one call is cannot be told: both ring again, rather than one of them never."""
    fake.spoil("hang", calls=1, taken=True)
    fake.spoil("hang", calls=1, taken=False)
    one, other = (now_message(notification_id=f"e_1.{n}") for n in (1, 2))
    await failure(channel, one)
    await failure(channel, other)
    assert await channel.reconcile(one) is None
    assert await channel.reconcile(other) is None


async def test_one_that_nobody_looked_for_does_not_cast_doubt_for_ever(fake, channel):
    fake.spoil("hang", calls=2, taken=True)
    long_ago = replace(now_message(notification_id="e_1.1"), sent_us=now_message().sent_us - 600 * 10**6)
    await failure(channel, long_ago)
    now_s = time.time()
    for made in (*fake.calls(), *fake.texts()):
        made.created_s = now_s - 600
    sent = now_message(notification_id="e_1.2")
    await failure(channel, sent)
    assert await channel.reconcile(sent) is not None


async def test_after_a_restart_one_call_is_claimed_once(fake, channel):
    await channel.send(now_message(notification_id="e_1.1"))
    reborn = type(channel)(client(fake), public_url=PUBLIC)
    found = [await reborn.reconcile(now_message(notification_id=f"e_1.{n}")) for n in (1, 2)]
    assert [each is not None for each in found] == [True, False]
    await reborn.close()


@pytest.mark.parametrize("how", ["hang", "cut", "garble"])
async def test_looking_back_says_when_nobody_answers(fake, channel, how):
    fake.spoil(how, calls=1, taken=True)
    with pytest.raises(NotSent) as caught:
        await channel.reconcile(message())
    assert caught.value.kind == "broken"


async def test_nothing_is_wrong_with_a_good_account(fake, channel):
    fake.account.sms_url = f"{PUBLIC}/v1/twilio/sms"
    assert await channel.check("") == ""
    assert await channel.check(CAT) == ""


async def test_a_number_that_is_none_is_found_before_the_night(channel):
    assert "is no phone number" in await channel.check("0151")


async def test_a_suspended_account_is_found(fake, channel):
    fake.account.status = "suspended"
    assert "suspended" in await channel.check("")


async def test_a_wrong_token_is_found(fake):
    made = SmsChannel(TwilioClient(client(fake).section, token="wrong"), public_url=PUBLIC)
    assert "twilio-token" in await made.check("")
    await made.close()


async def test_a_number_of_somebody_else_is_found(fake):
    section = TwilioSection(account_sid=fake.account_sid, from_number=RAY, base_url=fake.base_url)
    for kind in KINDS.values():
        made = kind(TwilioClient(section, token=fake.auth_token), public_url=PUBLIC)
        assert "is no number of this account" in await made.check("")
        await made.close()


async def test_calls_may_come_from_a_number_that_was_proved(fake):
    fake.account.caller_ids.append(RAY)
    section = TwilioSection(account_sid=fake.account_sid, from_number=RAY, base_url=fake.base_url)
    made = CallChannel(TwilioClient(section, token=fake.auth_token), public_url=PUBLIC)
    assert await made.check("") == ""
    await made.close()


async def test_answers_that_go_elsewhere_are_found(fake):
    fake.account.sms_url = "https://demo.twilio.com/welcome/sms/reply"
    made = SmsChannel(client(fake), public_url=PUBLIC)
    assert f"to {PUBLIC}/v1/twilio/sms" in await made.check("")
    await made.close()


async def test_without_an_address_of_ours_it_says_that_nobody_can_answer(fake):
    for kind in KINDS.values():
        made = kind(client(fake), public_url="")
        assert "set public_url" in await made.check("")
        await made.close()


async def test_a_phone_whose_last_sms_did_not_arrive_is_found(fake):
    made = SmsChannel(client(fake), public_url=PUBLIC)
    await made.send(now_message())
    (text,) = fake.texts()
    text.status, text.error_code = "undelivered", 30006
    assert await made.check(CAT) == (
        "the last SMS to it failed (error 30006: it is a landline, or its carrier takes no SMS)"
    )
    await made.close()
