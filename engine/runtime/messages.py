"""Messages as the engine takes them: agents tell what was said, and that tells where values come from."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable

from engine.core.vocabulary.facts import MessageObserved, encode
from engine.core.vocabulary.ids import AgentId, EpisodeId
from engine.ports import Durability
from engine.runtime import wire
from engine.runtime.intake import Intake


class MessageKeeper:
    """Takes what was said in episodes, each message once."""

    def __init__(self, intake: Intake, now_us: Callable[[], int]) -> None:
        """Take what facts go through."""
        self._intake, self._now_us = intake, now_us
        # One at a time, so that each finds the episode as the one before it left it.
        self._one = asyncio.Lock()

    async def tell(self, request: wire.TellMessages) -> wire.Done:
        """Take the messages of an episode."""
        await self.take(request.agent, request.episode, request.messages)
        return wire.Done()

    async def take(self, agent: AgentId, episode: EpisodeId, messages: tuple[wire.Message, ...]) -> None:
        """Take messages, in order; an agent may tell the whole conversation every time.

        The same message of the same agent counts once, or as often as it stands in one telling, while the
        episode is remembered. Of one that was silent too long everything is news.
        """
        async with self._one:
            now_us, journal = self._now_us(), self._intake.journal
            episodes = self._intake.state.episodes
            known = episodes.by_id.get(episode)
            silent = known is None or now_us - known.last_us > episodes.idle_us
            since_us = now_us if known is None or silent else known.since_us
            times: Counter[bytes] = Counter()
            for message in messages:
                said = encode([agent, message])
                times[said] += 1
                digest = hashlib.sha256(said).hexdigest()
                key = f"said:{episode}:{since_us}:{digest}:{times[said]}"
                if journal.find(key) is not None:
                    continue
                fact = MessageObserved(
                    at_us=now_us,
                    episode=episode,
                    source=message.source,
                    text=message.text,
                    by=agent,
                    tool=message.tool,
                    asked=message.asked,
                    trust=message.trust,
                )
                # One after the other, for order counts, and long ones are looked through beside the loop.
                await self._intake.take(key, fact, durability=Durability.RELAXED)
