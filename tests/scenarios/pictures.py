"""Pages of the main messages, from the real payloads: `python -m tests.scenarios.pictures FOLDER`.

docs/images/chat-discord.png and chat-slack.png are photographs of them, taken with a browser.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from simulator.fakes.fake_slack import FakeSlack
from simulator.fakes.pictures_slack import channel_page
from simulator.scenario.players import ChatPlayer
from simulator.scenario.script import read_step
from simulator.scenario.stage import Stage
from tests.scenarios.bots import DiscordBot, ManagedDiscord, SlackBot, slack

STORY = """
people ada captain, bob responder
coder-1 wants service.restart service=checkout rationale="half of the requests fail" confidence=0.55 as D1
coder-1 wants cache.clear service=shop rationale="pages are stale" confidence=0.5 as D2
bob presses Approve on D2
worker does D2
bob: /kill-autonomous agent:coder-2 it loops
bob: /replay start demo
bob: /decisions
"""


async def draw(folder: Path) -> None:
    """Play the story on both platforms and write what everybody sees."""
    steps = [read_step(line) for line in STORY.strip().splitlines()]
    for make, bot in ((ManagedDiscord, DiscordBot), (slack, SlackBot)):
        fake = make()
        await fake.start()
        channel = fake.add_channel("captains")
        with tempfile.TemporaryDirectory() as home:
            async with Stage(Path(home), ChatPlayer(fake, channel), bot=bot(fake, channel)).open() as stage:
                await stage.play(steps)
                while not any(
                    "is done" in one.text and "Replay" in one.text for one in fake.messages(channel)
                ):
                    await asyncio.sleep(0.1)
                shown = [screen.message_id for screen in fake.messages(channel)]
                if isinstance(fake, FakeSlack):
                    html = channel_page(fake.workspace, channel, [fake.workspace.posts[one] for one in shown])
                else:
                    html = fake.picture(*shown)
        await fake.close()
        (folder / f"chat-{fake.platform}.html").write_text(html)


if __name__ == "__main__":
    asyncio.run(draw(Path(sys.argv[1])))
