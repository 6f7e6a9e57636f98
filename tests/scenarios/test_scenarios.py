"""Scripts of people at work, played on the terminal, in Discord and in Slack: what they read, word for word.

After a change that is meant, write the transcripts anew and read the difference:

    WATCHKEEPER_WRITE_GOLDEN=1 .venv/bin/python -m pytest tests/scenarios
"""

import asyncio
import functools
import os
from collections.abc import Callable
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


# The tests of one script run in one process, where people at terminals play it once for all of them.
EACH = pytest.mark.parametrize(
    "script", [pytest.param(path, id=path.stem, marks=pytest.mark.xdist_group(path.stem)) for path in SCRIPTS]
)
PLATFORMS = {"discord": (ManagedDiscord, DiscordBot), "slack": (slack, SlackBot)}


@pytest.fixture(scope="session")
def at_terminals(tmp_path_factory) -> Callable[[Path], tuple[str, Stage]]:
    """Play a script at terminals; what was shown, and the stage as it was at the end."""

    async def played(script: Path) -> tuple[str, Stage]:
        async with Stage(tmp_path_factory.mktemp("terminal"), TerminalPlayer()).open() as stage:
            return await stage.play(read_script(script)), stage

    return functools.cache(lambda script: asyncio.run(played(script)))


@pytest.mark.slow
@EACH
def test_people_at_terminals_read_what_the_transcript_says(at_terminals, script):
    shown, _ = at_terminals(script)
    path = GOLDEN / script.name
    if os.environ.get("WATCHKEEPER_WRITE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text(), "meant? then see the top of this file"


async def in_chat(
    home: Path, script: Path, platform: str, terminal: Stage
) -> tuple[list[str], tuple[str, ...]]:
    """Play a script on a platform; return what people miss there, and what it objects to."""
    make_fake, make_bot = PLATFORMS[platform]
    fake = make_fake()
    await fake.start()
    try:
        channel = fake.add_channel("captains")
        stage = Stage(home, ChatPlayer(fake, channel), bot=make_bot(fake, channel))
        async with stage.open() as chat:
            await chat.play(read_script(script))
        return missing(terminal, chat), fake.problems()
    finally:
        await fake.close()


@pytest.mark.slow
@EACH
@pytest.mark.parametrize("platform", ["discord", pytest.param("slack", marks=pytest.mark.long)])
def test_people_in_chat_read_the_same(at_terminals, tmp_path, script, platform):
    _, terminal = at_terminals(script)
    missed, problems = asyncio.run(in_chat(tmp_path, script, platform, terminal))
    assert not missed, "\n".join(missed)
    assert not problems


def test_there_is_a_script_for_every_way_things_go():
    assert len(SCRIPTS) >= 25


@pytest.mark.parametrize("line", ["ada", "people ada queen", "worker sleeps D1", "ada presses", "5 d pass"])
def test_a_line_that_is_no_step_is_refused(line):
    with pytest.raises(ValueError, match="queen" if "queen" in line else line):
        read_step(line)
