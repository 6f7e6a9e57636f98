"""What every channel over HTTP promises, whoever is on the other side and whatever goes wrong there."""

import asyncio
import contextlib
import email.utils
import gc
import time

import pytest

from notifiers.channel import NotSent
from simulator.fakes.fake_provider import Reply, babble, break_off, drop, hang, trickle
from tests.notifiers.messages import HOSTILE, message
from tests.notifiers.stages import NAMES, SECRETS, stage
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio
every = pytest.mark.parametrize("name", NAMES)


async def not_sent(on, **changes):
    """Send, and return how it failed. No error other than NotSent gets by."""
    with pytest.raises(NotSent) as failed:
        await on.channel.send(message(on.address, **changes))
    assert not any(secret in str(failed.value) for secret in SECRETS), "a secret is shown"
    return failed.value


@every
async def test_what_a_provider_takes_is_accepted(name):
    async with stage(name) as on:
        sent = await on.channel.send(message(on.address))
        assert sent.delivery == "accepted"
        assert len(on.sent()) == 1


@every
@pytest.mark.parametrize("purpose", ["wake", "again", "told", "over"])
async def test_every_purpose_is_taken_without_any_choice_or_link(name, purpose):
    async with stage(name) as on:
        bare = message(on.address, purpose=purpose, choices=(), link="", about="", lines=(), drill=True)
        assert (await on.channel.send(bare)).delivery == "accepted"


@every
async def test_asked_to_wait_it_says_how_long_in_seconds_or_until_a_date(name):
    async with stage(name) as on:
        on.provider.faults.append(Reply(status=429, headers={"Retry-After": "17"}))
        busy = await not_sent(on)
        assert (busy.kind, busy.retry_s) == ("busy", 17.0)
        until = email.utils.formatdate(time.time() + 120, usegmt=True)
        on.provider.faults.append(Reply(status=429, headers={"Retry-After": until}))
        busy = await not_sent(on)
        assert busy.kind == "busy"
        assert 100 < busy.retry_s <= 120
        for nonsense in ("", "soon", "nan", "-5", "Thu, 99 Foo 2026"):
            on.provider.faults.append(Reply(status=429, headers={"Retry-After": nonsense}))
            busy = await not_sent(on)
            assert busy.kind == "busy"
            assert busy.retry_s in {None, 0.0}


@every
@pytest.mark.parametrize(
    ("status", "kind"), [(500, "broken"), (502, "broken"), (503, "broken"), (504, "unsure")]
)
async def test_a_provider_that_fails_is_broken_and_one_behind_a_gateway_is_unsure(name, status, kind):
    async with stage(name) as on:
        on.provider.faults.append(Reply(status=status, body=b"<h1>oops</h1>"))
        assert (await not_sent(on)).kind == kind


@every
@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_is_refused_is_a_fault_of_the_setup_with_a_cure(name, status):
    async with stage(name) as on:
        on.provider.faults.append(Reply(status=status, body=b"no"))
        refused = await not_sent(on)
        assert refused.kind == "setup"
        assert refused.cure


@every
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_it_follows_nobody_elsewhere(name, status):
    async with stage(name) as on:
        on.provider.faults.append(Reply(status=status, headers={"Location": f"{on.provider.url}/elsewhere"}))
        assert (await not_sent(on)).kind == "setup"
        assert not on.provider.asked("/elsewhere")


@every
@pytest.mark.parametrize("fault", [hang, trickle])
async def test_a_provider_that_hangs_costs_no_more_than_the_deadline_and_leaves_it_unsure(name, fault):
    async with stage(name, deadline_s=0.3) as on:
        on.provider.faults.append(fault)
        assert (await not_sent(on)).kind == "unsure"


@every
@pytest.mark.parametrize("fault", [drop, babble, break_off])
async def test_what_breaks_off_after_the_request_is_unsure(name, fault):
    async with stage(name) as on:
        on.provider.faults.append(fault)
        assert (await not_sent(on)).kind == "unsure"
        assert (await on.channel.send(message(on.address))).delivery == "accepted"


@every
async def test_with_nobody_listening_nothing_was_sent(name):
    async with stage(name) as on:
        await on.provider.__aexit__(None, None, None)
        assert (await not_sent(on)).kind == "broken"


@every
@pytest.mark.parametrize(
    "body", [b"<html>captive portal</html>", b"[1", b"[" * 100_000, b"null", b"[]", b'{"a":1}']
)
async def test_an_answer_that_makes_no_sense_is_never_taken_for_a_success(name, body):
    async with stage(name) as on:
        on.provider.faults.append(Reply(body=body))
        if on.reads_answers:
            assert (await not_sent(on)).kind == "unsure"
        else:
            assert (await on.channel.send(message(on.address))).delivery == "accepted"


@every
async def test_a_second_try_carries_the_same_key(name):
    async with stage(name, deadline_s=1.0) as on:
        on.provider.faults.append(drop)
        await not_sent(on)
        await on.channel.send(message(on.address, attempt=2))
        first, second = on.sent()
        assert on.key_of(first) == on.key_of(second)


@every
async def test_hostile_text_is_taken_by_a_strict_provider(name):
    async with stage(name) as on:
        bad = message(on.address, title=HOSTILE, lines=(HOSTILE,) * 30, about=HOSTILE)
        assert (await on.channel.send(bad)).delivery == "accepted"
        said = on.sent()[0].body.decode()
        for forbidden in ("\x1b", "\\u001b", "\u202e", "\\u202e", "\\u0007", "%1B", "\\ud800"):
            assert forbidden not in said


@every
async def test_text_without_end_is_cut_to_what_fits(name):
    async with stage(name) as on:
        for letter in ("x", "漢", "🔥", "*"):
            long = message(on.address, title=letter * 100_000, lines=(letter * 100_000,) * 100)
            assert (await on.channel.send(long)).delivery == "accepted"


@every
@pytest.mark.parametrize(
    "fault", [hang, drop, babble, Reply(status=500), Reply(status=403), Reply(body=b"[{}, 3]")]
)
async def test_looking_back_and_checking_raise_nothing_but_not_sent(name, fault):
    async with stage(name, deadline_s=0.3) as on:
        for ask in (lambda: on.channel.reconcile(message(on.address)), lambda: on.channel.check(on.address)):
            on.provider.faults.append(fault)
            with contextlib.suppress(NotSent):
                await ask()
            on.provider.faults.clear()


@every
async def test_checking_finds_nothing_wrong_and_notifies_nobody(name):
    async with stage(name) as on:
        if name == "alertmanager":
            on.provider.faults.append(Reply.of({"versionInfo": {}}))
        assert await on.channel.check(on.address) == ""
        assert not on.sent()


@pytest.mark.parametrize("name", ["ntfy", "pushover", "discord", "slack"])
@pytest.mark.parametrize("address", ["", "../x", "a b", "x" * 1000, "ü", "1\r\n2", HOSTILE])
async def test_a_wrong_address_is_told_before_anything_is_sent(name, address):
    async with stage(name) as on:
        on.address = address
        wrong = await not_sent(on)
        assert wrong.kind == "address"
        assert wrong.cure
        assert not on.provider.requests


@every
async def test_a_thousand_at_once_are_all_sent(name):
    async with stage(name, deadline_s=PATIENCE_S) as on:
        sent = await asyncio.gather(*(on.channel.send(message(on.address, attempt=n)) for n in range(1000)))
        assert len(sent) == len(on.sent()) == 1000


@every
async def test_cancelled_it_lets_go(name):
    async with stage(name) as on:
        on.provider.faults.append(hang)
        sending = asyncio.create_task(on.channel.send(message(on.address)))
        while not on.sent():
            await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await on.channel.send(message(on.address))).delivery == "accepted"
    gc.collect()
