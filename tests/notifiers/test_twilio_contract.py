"""Every request we make is one that Twilio's official description allows."""

import contextlib

import pytest
import pytest_asyncio

from notifiers.call import CallChannel
from notifiers.channel import NotSent
from notifiers.sms import SmsChannel
from notifiers.twilio_client import TwilioClient
from simulator.fakes.fake_twilio import FakeTwilio, Phone
from tests.needs import need
from tests.notifiers.twilio_world import CAT, PUBLIC, SPEC, DeskOfTests, client, fronted, message

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def fake():
    need(SPEC.exists(), "Twilio's description is not at ../shared/specs/twilio")
    made = FakeTwilio(spec=SPEC)
    await made.start()
    yield made
    await made.close()


@pytest.mark.slow
async def test_every_request_keeps_to_the_description(fake):
    fake.phone(CAT, Phone(answers="person", keys=("1",)))
    for public_url in (PUBLIC, ""):
        shared = client(fake)
        call, sms = CallChannel(shared, public_url=public_url), SmsChannel(shared, public_url=public_url)
        async with fronted(fake, DeskOfTests(message())):
            for channel in (call, sms):
                await channel.send(message())
                await channel.reconcile(message())
                await channel.check("")
                await channel.check(CAT)
            await fake.settled()
        await shared.close()
    asked = {(each.method, each.path.rpartition("/")[2]) for each in fake.requests}
    assert {("POST", "Calls.json"), ("POST", "Messages.json"), ("GET", "Calls.json")} <= asked
    assert len(asked) == 6
    assert fake.problems() == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "fault"),
    [
        (b"From=%2B15005550006&Url=https://a.example/", "To"),
        (b"To=%2B4915112345678&From=%2B15005550006&Timeout=soon&Url=https://a.example/", "integer type"),
        (b"To=%2B4915112345678&From=%2B15005550006&Method=FAX&Url=https://a.example/", "Method"),
        (b"To=%2B4915112345678&From=%2B15005550006&StatusCallBack=https://a.example/", "StatusCallBack"),
    ],
)
async def test_the_description_finds_what_is_wrong(fake, form, fault):
    """A check that finds nothing wrong with anything would prove nothing."""
    made: TwilioClient = client(fake)
    with contextlib.suppress(NotSent):
        await made.create("Calls", form)
    await made.close()
    assert any(fault in problem for problem in fake.problems())
