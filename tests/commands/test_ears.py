"""Ears: a front-end that hears nothing asks for a sign, and where none comes others are told."""

import asyncio
import contextlib

import pytest

from engine.commands.ears import DEAF_S, QUIET_S, Ears
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio


class Platform:
    """A front-end whose connection a test can break."""

    def __init__(self) -> None:
        self.works = True
        self.asked = self.reconnected = 0
        self.told: list[str] = []
        self.ears = Ears(
            "discord",
            ask=self.ask,
            reconnect=self.reconnect,
            tell=lambda reply: self.told.append(reply.title),
            quiet_s=0.01,
            deaf_s=0.03,
        )

    async def ask(self) -> None:
        self.asked += 1
        if self.works:
            self.ears.heard()

    async def reconnect(self) -> None:
        self.reconnected += 1

    @contextlib.asynccontextmanager
    async def listening(self):
        task = asyncio.create_task(self.ears.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(true) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.002)


async def test_a_quiet_front_that_answers_is_not_deaf():
    platform = Platform()
    async with platform.listening():
        await until(lambda: platform.asked > 3)
        assert not platform.told


async def test_who_hears_nothing_is_deaf_and_others_are_told_once():
    platform = Platform()
    platform.works = False
    async with platform.listening():
        await until(lambda: platform.reconnected > 2)
        assert platform.ears.deaf
        assert platform.told == ["discord is deaf"]


async def test_who_hears_again_says_so():
    platform = Platform()
    platform.works = False
    async with platform.listening():
        await until(lambda: platform.told)
        platform.works = True
        await until(lambda: len(platform.told) == 2)
        assert platform.told == ["discord is deaf", "discord hears again"]
        assert not platform.ears.deaf


async def test_a_sign_that_cannot_be_asked_for_is_none():
    platform = Platform()

    async def hangs() -> None:
        await asyncio.sleep(60)

    platform.ears._ask = hangs
    async with platform.listening():
        await until(lambda: platform.told)
        assert platform.told == ["discord is deaf"]


async def test_people_are_told_within_twenty_seconds():
    assert QUIET_S + DEAF_S < 20
