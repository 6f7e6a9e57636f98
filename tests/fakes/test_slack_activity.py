"""When a bot on the fake Slack counts as finished."""

import asyncio

import pytest

from simulator.fakes.fake_slack.activity import LATER_S, Activity


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_bot_that_says_it_is_busy_has_not_finished_however_quiet(is_busy):
    async def settled():
        activity, busy = Activity(), is_busy
        settling = asyncio.create_task(
            activity.settle(is_answered=lambda: True, is_busy=lambda: busy, quiet_s=0.01, settle_s=600.0)
        )
        await asyncio.sleep(0.2)
        early = settling.done()
        busy = False
        await settling
        return early

    assert asyncio.run(settled()) is not is_busy


def test_a_bot_that_was_told_to_come_back_later_has_not_finished_before():
    async def settled():
        activity, loop = Activity(), asyncio.get_running_loop()
        began = loop.time()
        activity.refuse_for(0.3)
        await activity.settle(is_answered=lambda: True, is_busy=lambda: False, quiet_s=0.01, settle_s=600.0)
        return loop.time() - began

    assert asyncio.run(settled()) > 0.3 + LATER_S
