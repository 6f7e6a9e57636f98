"""Scripts of people at work, played on the terminal, in Discord and in Slack: what they read, word for word.

After a change that is meant, write the transcripts anew and read the difference:

    WATCHKEEPER_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/scenarios
"""

import asyncio
import os
from pathlib import Path

import pytest

from simulator.scenario.players import ChatPlayer, TerminalPlayer
from simulator.scenario.script import read_script, read_step
from simulator.scenario.stage import Stage
from tests.scenarios.bots import DiscordBot, ManagedDiscord, SlackBot, slack
from tests.scenarios.meaning import missing

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scripts").glob("*.txt"))
GOLDEN = HERE / "golden"


async def played(home: Path, script: Path) -> str:
    async with Stage(home, TerminalPlayer()).open() as stage:
        return await stage.play(read_script(script))


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_people_at_terminals_read_what_the_transcript_says(tmp_path, script):
    shown = asyncio.run(played(tmp_path, script))
    path = GOLDEN / script.name
    if os.environ.get("WATCHKEEPER_WRITE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text(), "meant? then see the top of this file"


PLATFORMS = {"discord": (ManagedDiscord, DiscordBot), "slack": (slack, SlackBot)}


async def both(home: Path, script: Path, platform: str) -> tuple[list[str], tuple[str, ...]]:
    """Play a script at terminals and on a platform; return what people miss there, and what it objects to."""
    steps = read_script(script)
    async with Stage(home / "terminal", TerminalPlayer()).open() as terminal:
        await terminal.play(steps)
    make_fake, make_bot = PLATFORMS[platform]
    fake = make_fake()
    await fake.start()
    try:
        channel = fake.add_channel("captains")
        stage = Stage(home / "chat", ChatPlayer(fake, channel), bot=make_bot(fake, channel))
        async with stage.open() as chat:
            await chat.play(steps)
        return missing(terminal, chat), fake.problems()
    finally:
        await fake.close()


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("platform", PLATFORMS)
def test_people_in_chat_read_the_same(tmp_path, script, platform):
    missed, problems = asyncio.run(both(tmp_path, script, platform))
    assert not missed, "\n".join(missed)
    assert not problems


def test_there_is_a_script_for_every_way_things_go():
    assert len(SCRIPTS) >= 25


@pytest.mark.parametrize("line", ["ada", "people ada queen", "worker sleeps D1", "ada presses", "5 d pass"])
def test_a_line_that_is_no_step_is_refused(line):
    with pytest.raises(ValueError, match="queen" if "queen" in line else line):
        read_step(line)
