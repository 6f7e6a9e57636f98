"""What goes wrong between Slack and a bot happens on demand: doubles, retries, limits, broken sockets."""

import asyncio
import time

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from tests.fakes.slack_bot import on_socket
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


def placed(fake):
    return fake.add_person("ada"), fake.add_channel("ops")


# ---------------------------------------------------------------- deliveries twice


async def test_a_doubled_envelope_reaches_the_listener_twice_and_is_shown_once():
    async with on_socket() as (fake, _, heard, _):
        ada, ops = placed(fake)
        fake.redeliver(copies=2)
        answer = await fake.type(ada, "/twice x", channel=ops)
        assert heard == ["x", "x"]
        assert answer.text == "heard 1 times"
        first, second = fake.socket_mode.envelopes
        assert first["envelope_id"] == second["envelope_id"]
        assert len(fake.socket_mode.acks) == 2


async def test_a_doubled_press_reaches_the_listener_twice():
    async with on_socket() as (fake, _, heard, _):
        ada, ops = placed(fake)
        asked = (await fake.type(ada, "/ask", channel=ops)).screens[0]
        fake.redeliver(copies=3)
        await fake.press(ada, asked.message_id, "Approve")
        await fake.until(lambda: fake.messages(ops)[0].edits == 3)
        assert [note for note in heard if note[0] == "approve"] == [("approve", ada, "d-1")] * 3


async def test_two_people_who_press_at_once_are_both_answered():
    async with on_socket() as (fake, _, heard, _):
        ada, ops = placed(fake)
        bob = fake.add_person("bob")
        asked = (await fake.type(ada, "/ask", channel=ops)).screens[0].message_id
        await asyncio.gather(*(fake.press(who, asked, "Approve") for who in (ada, bob)))
        assert {note[1] for note in heard if note[0] == "approve"} == {ada, bob}
        await fake.until(lambda: fake.messages(ops)[0].edits == 2)


async def test_an_event_told_again_keeps_its_id_and_counts_attempts():
    async with on_socket() as (fake, _, heard, _):
        ada, ops = placed(fake)
        fake.redeliver(copies=3, as_retries=True)
        await fake.type(ada, "@watchkeeper status", channel=ops)
        await heard.wait(lambda note: note[0] == "mention" and note[2] == "2")
        told = [note for note in heard if note[0] == "mention"]
        assert len({event_id for _, event_id, _, _ in told}) == 1
        assert [(num, why) for _, _, num, why in told] == [("0", ""), ("1", "timeout"), ("2", "timeout")]
        envelopes = [e for e in fake.socket_mode.envelopes if e["payload"]["event"]["type"] == "app_mention"]
        assert len({envelope["envelope_id"] for envelope in envelopes}) == 3


async def test_an_event_nobody_acknowledges_is_told_four_times_and_given_up():
    async with on_socket(ack_within_s=0.05, retry_delays_s=(0, 0, 0)) as (fake, _, _, _):
        ada, ops = placed(fake)
        fake.go_silent(silent=True)
        answer = await fake.type(ada, "@watchkeeper status", channel=ops, settle_s=0.1)
        assert (answer.screens, answer.failed) == ((), "")
        await fake.until(lambda: len(fake.news.given_up) == 2, what="not given up")
        attempts = [
            e["retry_attempt"]
            for e in fake.socket_mode.envelopes
            if e["payload"]["event"]["type"] == "message"
        ]
        assert attempts == [0, 1, 2, 3]
        assert {e["retry_reason"] for e in fake.socket_mode.envelopes if e["retry_attempt"]} == {"timeout"}


async def test_what_people_do_is_never_told_again_by_slack_itself():
    async with on_socket(ack_within_s=0.05, retry_delays_s=(0, 0, 0)) as (fake, _, _, _):
        ada, ops = placed(fake)
        await fake.type(ada, "/silent", channel=ops)
        assert len(fake.socket_mode.envelopes) == 1
        assert "retry_attempt" not in fake.socket_mode.envelopes[0]


# ---------------------------------------------------------------- too often, and down


async def test_a_limited_call_is_made_again_after_retry_after():
    async with on_socket() as (fake, app, _, _):
        _, ops = placed(fake)
        fake.limit(calls=1, retry_after_s=0)
        posted = await app.client.chat_postMessage(channel=ops, text="x")
        assert posted["ok"]
        assert fake.limits.refused == 1
        assert [name for name, _ in fake.web_api.calls].count("chat.postMessage") == 2


async def test_a_limited_call_without_a_retry_handler_says_ratelimited():
    async with on_socket(retries=0) as (fake, app, _, _):
        _, ops = placed(fake)
        fake.limit(calls=1, retry_after_s=2.5)
        with pytest.raises(SlackApiError) as caught:
            await app.client.chat_postMessage(channel=ops, text="x")
        assert caught.value.response["error"] == "ratelimited"
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "3"


async def test_a_channel_takes_one_message_a_second_after_a_burst():
    now = [1000.0]
    async with on_socket(retries=0, burst=2, clock=lambda: now[0]) as (fake, app, _, _):
        _, ops = placed(fake)
        other = fake.add_channel("other")
        for _ in range(2):
            await app.client.chat_postMessage(channel=ops, text="x")
        with pytest.raises(SlackApiError, match="ratelimited"):
            await app.client.chat_postMessage(channel=ops, text="x")
        await app.client.chat_postMessage(channel=other, text="another channel has its own second")
        now[0] += 1
        await app.client.chat_postMessage(channel=ops, text="x")
        assert len(fake.messages(ops)) == 3


async def test_a_failing_service_answers_with_its_status():
    async with on_socket() as (fake, app, _, _):
        _, ops = placed(fake)
        fake.fail(calls=1, status=503)
        with pytest.raises(SlackApiError) as caught:
            await app.client.chat_postMessage(channel=ops, text="x")
        assert caught.value.response.status_code == 503
        assert (await app.client.chat_postMessage(channel=ops, text="x"))["ok"]


# ---------------------------------------------------------------- sockets


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_socket_told_to_go_comes_back(reason):
    async with on_socket() as (fake, _, _, _):
        ada, ops = placed(fake)
        await fake.disconnect(reason=reason)
        await fake.until(lambda: fake.socket_mode.connections == 2, what="no second hello")
        assert (await fake.type(ada, "/public", channel=ops)).text == "everybody sees this"


async def test_a_dropped_socket_comes_back():
    async with on_socket(ping_interval=0.5) as (fake, _, _, _):
        ada, ops = placed(fake)
        await fake.drop()
        lost = await fake.type(ada, "/public", channel=ops)
        assert lost.failed == '/public failed with the error "dispatch_failed"'
        await fake.bot_is_in()
        assert (await fake.type(ada, "/public", channel=ops)).text == "everybody sees this"


async def test_a_silent_socket_loses_what_is_typed_until_the_client_notices():
    async with on_socket(ping_interval=1, ack_within_s=0.1) as (fake, _, heard, _):
        ada, ops = placed(fake)
        fake.go_silent(silent=True)
        began = time.monotonic()
        lost = await fake.type(ada, "/twice lost", channel=ops)
        assert lost.failed == '/twice failed with the error "operation_timeout"'
        await fake.until(
            lambda: fake.socket_mode.connections == 2, within_s=PATIENCE_S, what="no second hello"
        )
        assert time.monotonic() - began < 6
        assert (await fake.type(ada, "/twice found", channel=ops)).text == "heard 1 times"
        assert heard == ["found"]


async def test_each_payload_goes_to_one_of_ten_sockets_and_an_eleventh_is_sent_away():
    async with (
        on_socket(ack_within_s=0.02, retry_delays_s=()) as (fake, app, _, _),
        aiohttp.ClientSession() as session,
    ):
        ada, ops = placed(fake)

        async def connect():
            url = (await app.client.apps_connections_open(app_token=fake.app_token))["url"]
            return await session.ws_connect(url)

        streams = [await connect() for _ in range(9)]
        assert [(await stream.receive_json())["num_connections"] for stream in streams] == list(range(2, 11))
        eleventh = await connect()
        assert (await eleventh.receive_json())["reason"] == "too_many_websockets"
        for _ in range(10):
            await fake.type(ada, "hello all", channel=ops, settle_s=0.01)
        assert len(fake.socket_mode.envelopes) == 10
        assert [(await stream.receive_json())["type"] for stream in streams] == ["events_api"] * 9


async def test_an_address_of_a_socket_is_good_once():
    async with on_socket() as (_, _, _, handler):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await handler.client.aiohttp_client_session.ws_connect(handler.client.wss_uri)
