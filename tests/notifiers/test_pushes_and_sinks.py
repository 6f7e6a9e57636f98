"""What is said to ntfy, Pushover, PagerDuty, GoAlert and a webhook, and what comes of it there."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

import pytest

from engine.errors import InputError
from notifiers.channel import Acknowledged, NotSent, Report
from notifiers.webhook import signature, signing_key
from simulator.fakes.fake_provider import Reply, drop
from tests.notifiers.messages import ESCALATION, message
from tests.notifiers.stages import OTHER_USER, USER, WEBHOOK_SECRET, stage
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


# ---------------------------------------------------------------- ntfy


async def test_ntfy_shows_one_notification_for_two_tries_and_finds_it_again():
    async with stage("ntfy") as on:
        mine = message(on.address)
        assert await on.channel.reconcile(mine) is None
        await on.channel.send(mine)
        sent = await on.channel.send(message(on.address, attempt=2))
        assert len(on.contract.shown()) == 1
        assert (await on.channel.reconcile(mine)).ref in {"m1", sent.ref}
        assert await on.channel.reconcile(message(on.address, notification_id=f"{ESCALATION}.4")) is None


async def test_ntfy_is_loud_by_severity_while_somebody_is_asked_and_quiet_afterwards():
    async with stage("ntfy") as on:
        for severity, purpose in [
            ("critical", "wake"),
            ("warning", "again"),
            ("info", "wake"),
            ("critical", "told"),
        ]:
            await on.channel.send(message(on.address, severity=severity, purpose=purpose))
        assert [each["priority"] for each in on.contract.published] == [5, 4, 3, 3]


async def test_ntfy_offers_what_needs_no_looking_and_a_way_to_the_rest():
    async with stage("ntfy") as on:
        await on.channel.send(message(on.address))
        shown = on.contract.published[0]
        link = message().link
        assert [(each["action"], each["label"]) for each in shown["actions"]] == [
            ("http", "I have it"),
            ("http", "Next person"),
            ("view", "Open"),
        ]
        assert {each["url"] for each in shown["actions"]} == {shown["click"]} == {link}
        assert shown["actions"][0]["body"] == "word=acknowledge"
        await on.channel.send(message(on.address, link=""))
        assert "actions" not in on.contract.published[1]


async def test_ntfy_without_leave_to_read_does_not_know_and_says_so_by_none():
    async with stage("ntfy") as on:
        on.provider.faults.append(Reply.of({"error": "forbidden"}, status=403))
        assert await on.channel.reconcile(message(on.address)) is None


# ---------------------------------------------------------------- Pushover


def ringing(address, **given):
    """A push that rings from now on: it is asked about for as long as Pushover rings."""
    return message(address, severity="critical", sent_us=time.time_ns() // 1_000, **given)


async def hears(on, count):
    """Listen until so much was heard."""
    heard = []
    enough = asyncio.Event()

    async def hear(what):
        heard.append(what)
        if len(heard) >= count:
            enough.set()

    listening = asyncio.create_task(on.channel.listen(hear))
    try:
        async with asyncio.timeout(PATIENCE_S):
            await enough.wait()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return heard


async def test_pushover_rings_for_what_is_critical_and_hears_who_acknowledged():
    async with stage("pushover") as on:
        mine = ringing(on.address)
        sent = await on.channel.send(mine)
        assert on.contract.ringing() == [sent.ref]
        assert on.contract.pushed[0]["tags"] == f"{ESCALATION}__ana"
        on.channel.expect(mine, sent.ref)
        on.contract.receipts[sent.ref]["last_delivered_at"] = 1
        assert await hears(on, 1) == [Report(notification_id=mine.notification_id, delivery="delivered")]
        on.contract.acknowledge(sent.ref, by=USER)
        on.provider.faults.extend([drop, Reply(status=500), Reply(body=b"?"), Reply(status=429)])
        assert await hears(on, 1) == [Acknowledged(notification_id=mine.notification_id, person="ana")]


async def test_pushover_after_a_restart_hears_of_what_was_acknowledged_meanwhile():
    async with stage("pushover") as on:
        mine = message(on.address, severity="critical", sent_us=0)
        sent = await on.channel.send(mine)
        on.contract.acknowledge(sent.ref, by=USER)
    async with stage("pushover") as again:
        again.contract.receipts[sent.ref] = on.contract.receipts[sent.ref]
        again.channel.expect(mine, sent.ref)
        assert await hears(again, 1) == [Acknowledged(notification_id=mine.notification_id, person="ana")]


async def test_pushover_knows_by_the_key_who_of_several_acknowledged():
    async with stage("pushover") as on:
        for user, person in ((USER, "ana"), (OTHER_USER, "bo")):
            mine = ringing(user, person=person)
            on.channel.expect(mine, (await on.channel.send(mine)).ref)
        first = on.contract.ringing()[0]
        on.contract.acknowledge(first, by=OTHER_USER)
        assert (await hears(on, 1))[0].person == "bo"


async def test_pushover_falls_silent_for_whom_it_tells_and_for_nobody_else():
    async with stage("pushover") as on:
        for address, person, escalation in (
            (USER, "ana", ESCALATION),
            (OTHER_USER, "bo", ESCALATION),
            (USER, "ana", "e_2"),
        ):
            mine = message(address, person=person, escalation_id=escalation, severity="critical")
            await on.channel.send(mine)
        first, second, third = on.contract.ringing()
        await on.channel.send(message(USER, person="ana", severity="critical", purpose="told"))
        assert on.contract.pushed[-1]["priority"] == "0"
        assert on.contract.ringing() == [second, third]
        await on.channel.silence(ESCALATION, "bo")
        assert on.contract.ringing() == [third]
        await on.channel.silence(ESCALATION, "bo")
        assert first not in on.contract.ringing()


async def test_pushover_asks_no_more_about_a_receipt_that_expired():
    async with stage("pushover") as on:
        mine = ringing(on.address)
        sent = await on.channel.send(mine)
        on.channel.expect(mine, sent.ref)
        on.contract.receipts[sent.ref]["expired"] = 1
        listening = asyncio.create_task(on.channel.listen(lambda _: None))
        async with asyncio.timeout(PATIENCE_S):
            while not on.provider.asked(f"/1/receipts/{sent.ref}.json"):
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        assert len(on.provider.asked(f"/1/receipts/{sent.ref}.json")) == 1


async def test_pushover_tells_a_wrong_user_from_a_wrong_token():
    async with stage("pushover") as on:
        on.address = "x" * 30
        with pytest.raises(NotSent) as wrong:
            await on.channel.send(message(on.address))
        assert wrong.value.kind == "address"
        assert "user" in await on.channel.check("x" * 30)
        on.provider.faults.append(
            Reply.of(
                {"token": "invalid", "errors": ["application token is invalid"], "status": 0}, status=400
            )
        )
        with pytest.raises(NotSent) as wrong:
            await on.channel.send(message(USER))
        assert wrong.value.kind == "setup"


# ---------------------------------------------------------------- sinks


async def test_pagerduty_has_one_incident_for_all_of_an_escalation():
    async with stage("pagerduty") as on:
        states = []
        for purpose in ("wake", "wake", "again", "told", "over"):
            await on.channel.send(message(purpose=purpose))
            states.append(dict(on.contract.incidents))
        assert [each[ESCALATION] for each in states] == [*["triggered"] * 3, "acknowledged", "resolved"]
        assert all(len(each) == 1 for each in states)


async def test_pagerduty_finds_a_key_that_is_none_before_the_night_does():
    async with stage("pagerduty") as on:
        on.channel._key = "short"
        assert "32" in await on.channel.check("")


async def test_goalert_opens_once_says_nothing_of_who_has_it_and_closes():
    async with stage("goalert") as on:
        await on.channel.send(message())
        await on.channel.send(message(purpose="again"))
        assert on.contract.open == {ESCALATION: "Restart the database?"}
        on.contract.open.clear()
        await on.channel.send(message(purpose="told"))
        assert on.contract.open == {}, "what was closed there is opened again"
        await on.channel.send(message())
        await on.channel.send(message(purpose="over"))
        assert on.contract.open == {}


async def test_a_webhook_is_signed_as_the_specification_has_it():
    # The pair that the specification's own libraries are tested with.
    key = signing_key(WEBHOOK_SECRET)
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_a_webhook_can_be_verified_by_whoever_has_the_secret_and_by_nobody_else():
    async with stage("webhook") as on:
        await on.channel.send(message(title="Ünïcode 漢字 🔥"))
        request = on.sent()[0]
        signed = (
            f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        )
        key = base64.b64decode(WEBHOOK_SECRET.removeprefix("whsec_"))
        made = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert request.headers["webhook-signature"] == f"v1,{made}"
        assert request.headers["webhook-id"] == message().notification_id
        told = json.loads(request.body)
        assert told["type"] == "escalation.wake"
        assert told["data"]["commands"][0] == f"ack {ESCALATION}"
        assert told["data"]["title"] == "Ünïcode 漢字 🔥"


@pytest.mark.parametrize(
    "secret", ["", "hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
)
async def test_a_webhook_secret_that_is_none_is_refused_with_a_way_to_make_one(secret):
    with pytest.raises(InputError, match="openssl"):
        signing_key(secret)
