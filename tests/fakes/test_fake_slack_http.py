"""Over HTTP a bot must believe signatures, and nothing else."""

import aiohttp
import pytest

from simulator.fakes.fake_slack import FakeSlack, payloads
from tests.fakes.slack_bot import on_http

pytestmark = pytest.mark.asyncio


def command(fake, text="x"):
    ada, ops = fake.add_person("ada"), fake.add_channel("ops")
    payload = payloads.slash_command(
        fake.workspace, account=ada, channel=ops, command="/twice", text=text, response_url="", trigger_id="t"
    )
    return fake.http_mode.request("slash_commands", payload)


async def test_commands_buttons_modals_and_events_work_over_http():
    async with on_http() as (fake, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        asked = (await fake.type(ada, "/ask", channel=ops)).screens[0]
        assert (await fake.press(ada, asked.message_id, "Approve")).text == "Approved by ada"
        form = (await fake.type(ada, "/form", channel=ops)).modal
        assert (await fake.fill(ada, form, {"Reason": "no"})).modal.fields[0].problem == "say more"
        assert (await fake.type(ada, "@watchkeeper status", channel=ops)).text == "you said status"
        assert fake.problems() == ()


async def test_an_honest_signature_is_let_in():
    async with on_http() as (fake, _, _):
        assert await fake.http_mode.send(command(fake)) == (200, "heard 1 times")


@pytest.mark.parametrize("how", ["forged", "stale", "truncated", "unsigned"])
async def test_a_wrong_signature_is_kept_out(how):
    async with on_http() as (fake, _, heard):
        status, _ = await fake.http_mode.send(fake.http_mode.spoil(command(fake), how))
        assert status == 401
        assert heard == []


async def test_a_replayed_request_passes_the_signature_so_the_bot_must_know_it():
    async with on_http() as (fake, _, heard):
        request = command(fake)
        assert [(await fake.http_mode.send(request))[0] for _ in range(2)] == [200, 200]
        assert heard == ["x", "x"]


async def test_copies_are_the_same_signed_request():
    async with on_http() as (fake, _, heard):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        fake.redeliver(copies=2)
        await fake.type(ada, "/twice x", channel=ops)
        first, second = fake.http_mode.sent[-2:]
        assert first == second
        assert heard == ["x", "x"]


async def test_retried_events_carry_their_number_and_reason():
    async with on_http() as (fake, _, heard):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        fake.redeliver(copies=2, as_retries=True)
        await fake.type(ada, "@watchkeeper status", channel=ops)
        assert (await heard.wait(lambda note: note[0] == "mention" and note[2] == "1"))[3] == "timeout"


async def test_a_bot_that_is_down_has_failed_and_its_events_are_given_up():
    async with on_http(retry_delays_s=(0,)) as (fake, _, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        fake.http_mode.request_url = "http://127.0.0.1:9/slack/events"
        assert (
            await fake.type(ada, "/ask", channel=ops)
        ).failed == '/ask failed with the error "dispatch_failed"'
        await fake.type(ada, "hello", channel=ops)
        await fake.until(lambda: len(fake.news.given_up) == 1, what="not given up")
        assert fake.http_mode.sent[-1].headers["X-Slack-Retry-Reason"] == "connection_failed"


async def test_a_lost_route_lets_nothing_through_until_it_is_back():
    async with on_http(ack_within_s=0.1) as (fake, _, heard):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        fake.go_silent(silent=True)
        lost = await fake.type(ada, "/twice lost", channel=ops)
        fake.go_silent(silent=False)
        assert lost.failed == '/twice failed with the error "operation_timeout"'
        await fake.type(ada, "/twice found", channel=ops)
        assert heard == ["found"]


async def test_an_error_of_the_bot_is_named_by_its_status():
    async with on_http() as (fake, _, _):
        fake.http_mode.request_url = f"{fake.base_url}/nothing-here"
        answer = await fake.type(fake.add_person("ada"), "/ask", channel=fake.add_channel("ops"))
        assert answer.failed == '/ask failed with the error "404_service_error"'


async def test_an_address_that_does_not_answer_the_challenge_is_not_used():
    fake = FakeSlack()
    await fake.start()
    try:
        with pytest.raises(ValueError, match="answered the challenge with 404"):
            await fake.use_request_url(f"{fake.base_url}/nothing-here")
        assert not fake.http_mode.is_open
    finally:
        await fake.close()


async def test_a_response_url_is_good_for_five_answers_within_half_an_hour():
    now = [1_800_000_000.0]
    # Signatures are as old as this clock says; bolt would call them stale, so the bot is told on its socket.
    from tests.fakes.slack_bot import on_socket

    async with on_socket(clock=lambda: now[0]) as (fake, _, heard, _):
        ada, ops = fake.add_person("ada"), fake.add_channel("ops")
        await fake.type(ada, "/hook", channel=ops)
        (url,) = heard

        async def use(body, url=url):
            async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
                return answer.status, await answer.text()

        for number in range(5):
            assert await use({"text": f"late {number}"}) == (200, "ok")
        status, body = await use({"text": "once too often"})
        assert (status, "used_url" in body) == (404, True)
        await fake.type(ada, "/hook", channel=ops)
        now[0] += 30 * 60 + 1
        status, body = await use({"text": "too late"}, heard[1])
        assert (status, "expired_url" in body) == (404, True)
        assert [p for p in fake.problems() if "more than 5 times" in p]
        assert [p for p in fake.problems() if "after it was made" in p]
        assert len([s for s in fake.private(ada) if s.text.startswith("late")]) == 5
