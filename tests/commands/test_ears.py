"""Ears: whether a front-end still hears people is known within a bounded time, and told."""

import asyncio
from contextlib import suppress

import pytest

from engine.commands.ears import Ears

pytestmark = pytest.mark.asyncio


class Front:
    """A front-end whose signs a test gives."""

    def __init__(self, *, answers: bool = True, slow_s: float = 0.0) -> None:
        self.answers, self.slow_s = answers, slow_s
        self.asked = self.reconnected = 0
        self.told: list[str] = []
        self.news = asyncio.Event()
        self.ears = Ears(
            "discord", ask=self.ask, reconnect=self.reconnect, tell=self.tell, quiet_s=0.02, deaf_s=0.1
        )

    async def ask(self) -> None:
        self.asked += 1
        if self.answers:
            self.ears.heard()
        await asyncio.sleep(self.slow_s)

    async def reconnect(self) -> None:
        self.reconnected += 1
        self.answers = True

    def tell(self, reply) -> None:
        self.told.append(reply.title)
        self.news.set()

    async def run(self, until) -> None:
        """Listen until something holds."""
        task = asyncio.create_task(self.ears.run())
        try:
            async with asyncio.timeout(5):
                while not until():
                    await asyncio.sleep(0.005)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_a_sign_that_comes_while_it_is_asked_for_counts():
    front = Front(slow_s=0.05)
    await front.run(lambda: front.asked == 3)
    assert not front.told


async def test_asking_and_waiting_take_no_longer_together_than_a_sign_may_take():
    front = Front(answers=False, slow_s=10.0)
    began = asyncio.get_running_loop().time()
    await front.run(lambda: front.told)
    assert asyncio.get_running_loop().time() - began < 0.02 + 0.1 + 0.08


async def test_people_are_told_that_it_is_deaf_and_that_it_hears_again():
    front = Front(answers=False)
    await front.run(lambda: len(front.told) == 2)
    assert front.told == ["discord is deaf", "discord hears again"]
    assert front.reconnected == 1
