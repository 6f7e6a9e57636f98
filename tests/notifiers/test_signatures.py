"""Whoever is not Twilio changes nothing: signatures good, forged, missing and moved, over real sockets."""

import asyncio

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from notifiers.twilio_callbacks import callback_url, is_signed, path_key, signature
from simulator.fakes.fake_twilio import FakeTwilio
from simulator.fakes.fake_twilio.signing import sign
from tests.notifiers.twilio_world import CAT, PUBLIC, DeskOfTests, fronted, message

ID = message().notification_id


class Stage:
    """A fake, a desk, and forms as Twilio sends them."""

    def __init__(self, fake: FakeTwilio, desk: DeskOfTests) -> None:
        self.fake, self.desk = fake, desk
        self.token = fake.auth_token

    def url(self, step: str, notification: str = ID) -> str:
        return callback_url(PUBLIC, self.token, notification, step)

    def form(self, **more: str) -> list[tuple[str, str]]:
        fields = {"CallSid": "CA1", "AccountSid": self.fake.account_sid, "From": CAT, **more}
        return list(fields.items())

    @property
    def untouched(self) -> bool:
        return self.desk.said == [] and self.desk.reports == []


@pytest_asyncio.fixture
async def stage():
    fake = FakeTwilio()
    await fake.start()
    desk = DeskOfTests(message())
    async with fronted(fake, desk):
        yield Stage(fake, desk)
    await fake.close()


STEPS = [
    ("key", {"Digits": "1"}),
    ("status", {"CallStatus": "completed"}),
    ("voice", {"CallStatus": "in-progress"}),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(("step", "more"), STEPS)
async def test_what_twilio_signed_gets_in(stage, step, more):
    sent = await stage.fake.back.post(stage.url(step), stage.form(**more))
    assert sent.status in {200, 204}
    assert step == "voice" or not stage.untouched


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", ["unsigned", "forged", "tampered", "elsewhere"])
@pytest.mark.parametrize(("step", "more"), STEPS)
async def test_what_twilio_did_not_sign_does_nothing(stage, step, more, wrong):
    sent = await stage.fake.back.post(stage.url(step), stage.form(**more), wrong=wrong)
    assert sent.status == 403
    assert "Three volumes" not in sent.body
    assert stage.untouched


@pytest.mark.asyncio
@pytest.mark.parametrize("wrong", ["unsigned", "forged", "tampered", "elsewhere"])
async def test_an_sms_that_twilio_did_not_sign_does_nothing(stage, wrong):
    form = stage.form(Body="4711 OK", MessageSid="SM1")
    sent = await stage.fake.back.post(stage.fake.account.sms_url, form, wrong=wrong)
    assert sent.status == 403
    assert stage.untouched


@pytest.mark.asyncio
async def test_a_signature_holds_for_one_address_and_one_form_only(stage):
    """One that was overheard lets nobody press another key, nor count as another step."""
    url, form = stage.url("key") + "?at=menu&step=1", stage.form(Digits="1")
    good = sign(stage.token, url, form)
    others = [
        (url, stage.form(Digits="2")),
        (url, [*form, ("Digits", "2")]),
        (url.replace("menu", "sure"), form),
        (url.replace("step=1", "step=2"), form),
        (stage.url("status"), form),
        (f"{PUBLIC}/v1/twilio/sms", form),
    ]
    real = stage.fake.back.reach[PUBLIC]
    async with aiohttp.ClientSession() as session:
        for other_url, other_form in others:
            headers = {"X-Twilio-Signature": good, "Host": "wk.example.org"}
            where = real + other_url.removeprefix(PUBLIC)
            async with session.post(where, data=other_form, headers=headers) as answer:
                assert answer.status == 403, (other_url, other_form)
    assert stage.untouched


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["", "A" * 22, "other"])
async def test_a_path_that_was_guessed_does_nothing_even_signed(stage, key):
    """The ids alone do not help whoever got hold of a signature, or of a proxy in between."""
    guessed = key if key != "other" else path_key(stage.token, "e_288ca454f1551b4.2")
    url = f"{PUBLIC}/v1/twilio/{ID}/{guessed}/key"
    sent = await stage.fake.back.post(url, stage.form(Digits="1"))
    assert sent.status in {403, 404}
    assert stage.untouched


@pytest.mark.asyncio
async def test_another_account_of_twilio_does_nothing(stage):
    form = [("CallSid", "CA1"), ("AccountSid", "AC" + "0" * 32), ("Digits", "1")]
    assert (await stage.fake.back.post(stage.url("key"), form)).status == 403
    assert stage.untouched


@pytest.mark.asyncio
async def test_the_host_that_a_request_names_makes_no_address(stage):
    """Signed for the name that the request bears, with a token that is not ours: no."""
    form = stage.form(Digits="1")
    real = stage.fake.back.reach[PUBLIC]
    path = stage.url("key").removeprefix(PUBLIC)
    async with aiohttp.ClientSession() as session:
        headers = {"X-Twilio-Signature": sign(stage.token, real + path, form)}
        async with session.post(real + path, data=form, headers=headers) as answer:
            assert answer.status == 403
    assert stage.untouched


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [b"a=" + b"x" * 40_000, b"\xff\xfe=1", b"&".join(b"a%d=1" % n for n in range(300)), b"%zz"]
)
async def test_odd_bodies_are_refused(stage, body):
    real = stage.fake.back.reach[PUBLIC]
    where = real + stage.url("key").removeprefix(PUBLIC)
    async with aiohttp.ClientSession() as session:
        headers = {"X-Twilio-Signature": "x", "Host": "wk.example.org"}
        async with session.post(where, data=body, headers=headers) as answer:
            assert answer.status in {403, 413}
    assert stage.untouched


@pytest.mark.asyncio
async def test_a_flood_of_forgeries_keeps_nobody_out(stage):
    form = stage.form(Digits="1")
    forged = [stage.fake.back.post(stage.url("key"), form, wrong="forged") for _ in range(300)]
    *_, good = await asyncio.gather(*forged, stage.fake.back.post(stage.url("key"), form))
    assert good.status == 200
    assert len(stage.desk.said) == 1


FIELDS = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=20)), max_size=12)


@given(FIELDS, st.text(max_size=20))
def test_twilios_own_end_and_ours_sign_alike(fields, token):
    fields = [(name, value) for name, value in fields if (name + value).isprintable()]
    url = f"{PUBLIC}/v1/twilio/sms?x=1"
    assert signature(token, url, fields) == sign(token, url, fields)


@given(FIELDS, st.integers(min_value=0, max_value=26))
def test_no_sign_of_a_signature_can_be_changed(fields, place):
    fields = [(name, value) for name, value in fields if (name + value).isprintable()]
    good = sign("token", PUBLIC, fields)
    other = good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :]
    assert is_signed("token", PUBLIC, fields, good)
    # The last sign but one carries two bits that are no part of the 20 bytes: compared as text, they count.
    assert not is_signed("token", PUBLIC, fields, other)


@pytest.mark.parametrize("signed", ["https://wk.example.org/x?a=1", "https://wk.example.org:443/x?a=1"])
@pytest.mark.parametrize("configured", ["https://wk.example.org/x?a=1", "https://wk.example.org:443/x?a=1"])
def test_the_usual_port_may_be_written_or_not(signed, configured):
    assert is_signed("t", configured, [], sign("t", signed, []))


def test_another_port_is_another_address():
    given_signature = sign("t", "https://wk.example.org:8443/x", [])
    assert not is_signed("t", "https://wk.example.org/x", [], given_signature)
    assert is_signed("t", "https://wk.example.org:8443/x", [], given_signature)


@pytest.mark.parametrize("signature_given", ["", "é", "=" * 10_000])
def test_an_odd_signature_is_only_wrong(signature_given):
    assert not is_signed("t", PUBLIC, [], signature_given)
