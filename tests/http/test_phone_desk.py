"""What calls and SMS find at the engine."""

from types import SimpleNamespace

import pytest

from bot.http_api.phone_desk import EnginePhoneDesk
from engine.runtime.wire_escalations import ReportNotification
from tests.escalations.test_waking import awake, held, listed, says


@pytest.mark.asyncio
async def test_an_answer_counts_after_word_came_that_somebody_has_it(tmp_path):
    async with awake(tmp_path) as it:
        await held(it)
        (one,) = await listed(it)
        for number in (1, 2):
            sent = f"{one.escalation_id}.{number}"
            await it.ask(ReportNotification(notification_id=sent, delivery="accepted"))
        await it.ask(says("take", by="ben", escalation=one.code))
        await it.live.waking.turn()

        async def ask(request, *, timeout_s):
            return await it.ask(request)

        book = SimpleNamespace(address=lambda *_: "", clock=lambda *_: "", role=lambda _: "responder")
        desk = EnginePhoneDesk(SimpleNamespace(ask=ask), None, book, it.clock.now_us)
        message = await desk.by_code(one.code, "ada")
        assert message is not None
        assert message.purpose == "wake"
        assert {"approve", "deny"} <= {choice.word for choice in message.choices}
