"""Twilio's own door in the whole API: open to its signature alone, and leading nowhere else."""

import httpx
import pytest

from bot.http_api.phone import Phone
from engine.core.vocabulary.ids import PersonId
from notifiers.twilio_callbacks import callback_url
from notifiers.twiml import Voice
from simulator.fakes.fake_twilio.signing import sign
from tests.notifiers.twilio_world import CAT, PUBLIC, DeskOfTests, message

SID = "AC" + "1" * 32
TOKEN = "the-auth-token"
FORM = [("AccountSid", SID), ("CallSid", "CA1"), ("Digits", "1"), ("From", CAT)]


@pytest.fixture
def desk():
    return DeskOfTests(message())


@pytest.fixture
def asking(place, desk):
    """Post a form to the whole application, which knows Twilio."""
    front = Phone(
        desk=desk,
        person_of={CAT: PersonId("cat")}.get,
        account_sid=SID,
        token=TOKEN,
        public_url=PUBLIC,
        voice=Voice(),
    )
    app = place.app(phones=front)

    async def ask(url: str, fields, *, signature: str | None = None) -> httpx.Response:
        headers = {"X-Twilio-Signature": sign(TOKEN, url, fields) if signature is None else signature}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.post(url, data=dict(fields), headers=headers)

    return ask


@pytest.mark.asyncio
async def test_its_signature_is_all_that_twilio_needs(asking, desk):
    answer = await asking(callback_url(PUBLIC, TOKEN, message().notification_id, "key") + "?step=1", FORM)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/xml")
    assert answer.text.startswith("<?xml")
    assert [said[2] for said in desk.said] == ["acknowledge"]


@pytest.mark.asyncio
async def test_without_it_nobody_gets_in(asking, desk):
    url = callback_url(PUBLIC, TOKEN, message().notification_id, "key")
    answer = await asking(url, FORM, signature="nonsense")
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:watchkeeper:forbidden"
    assert desk.said == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    ["../kill", "%2e%2e/kill", "/v1/kill", "..%2fkill", "", "x", "../status", "sms/../../kill", ";/kill"],
)
async def test_no_way_leads_on_from_there(asking, place, path):
    answer = await asking(f"{PUBLIC}/v1/twilio/{path}", FORM)
    assert answer.status_code in {401, 404, 405}
    assert place.fence.order == []


@pytest.mark.asyncio
async def test_all_else_still_needs_a_token(asking):
    assert (await asking(f"{PUBLIC}/v1/kill", FORM)).status_code == 401


@pytest.mark.asyncio
async def test_where_twilio_is_not_used_there_is_nothing(place):
    transport = httpx.ASGITransport(place.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.post("/v1/twilio/sms", data={"Body": "4711 ACK"})).status_code == 404


@pytest.mark.asyncio
async def test_another_host_is_still_refused(asking):
    assert (await asking("https://evil.example/v1/twilio/sms", FORM)).status_code == 421


def test_the_document_does_not_offer_it(place, desk):
    front = Phone(desk=desk, person_of={}.get, account_sid=SID, token=TOKEN, public_url=PUBLIC, voice=Voice())
    assert not [path for path in place.app(phones=front).openapi()["paths"] if "twilio" in path]
