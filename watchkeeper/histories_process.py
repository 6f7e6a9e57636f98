"""The histories of `watchkeeper demo`, replayed behind it: the bundled week, and then the story.

Replays are asked for as a person asks for them, through the desk, so that the console has them and their
reports. It gives way to everything else on the machine, and ends when both are asked for.
"""

import os
import shutil
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import httpx

from bot.http_api.address import read_address
from bot.web_console.guarding import COOKIE
from bot.web_console.sessions import Sessions
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.token_file import TokenFile
from engine.errors import Unreachable
from engine.runtime.layout import Layout
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator import story
from simulator.importers.journal import import_journal
from simulator.world.stories import BOTH_STORY
from watchkeeper.people import local_name

_LAST_NICE: Final = 19
_LOOK_S: Final = 0.5
_STORY: Final = "story"
_TIMEOUT_S: Final = 60.0


def main(home: Path, seed: int) -> None:
    """Have the bundled week replayed, live through the story, and have that replayed. Raises any of ours."""
    os.nice(_LAST_NICE)
    layout = Layout(home)
    _say(layout, "replay start demo")
    recordings = home / "recordings"
    recordings.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="watchkeeper-demo-") as made:
        work = Path(made)
        with closing(SqliteJournal(work / "story.db")) as journal:
            story.tell(BOTH_STORY, seed, read_policy(SHIPPED_POLICY), journal=journal, folder=work)
        import_journal(work / "story.db", work / "story.wkr")
        shutil.move(work / "story.wkr", recordings / f"{_STORY}.wkr")
    _say(layout, f"replay start {_STORY}")


def _say(layout: Layout, line: str) -> None:
    """Say a line in the console's command box, as whoever began the demo. Raises `Unreachable`."""
    while (address := read_address(layout.address)) is None:
        time.sleep(_LOOK_S)
    sessions = Sessions(TokenFile(layout.tokens))
    session = sessions.log_in(sessions.invite(local_name(), "captain"))
    if session is None:
        raise Unreachable("the console lets nobody in", cure="see the logs of the demo")
    try:
        answer = httpx.post(
            f"{address.url}/console/say",
            data={"line": line},
            headers={"Cookie": f"{COOKIE}={session}", "Sec-Fetch-Site": "same-origin"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Unreachable(
            f"no answer: {error}", place=address.url, cure="see the logs of the demo"
        ) from error
    finally:
        if (holder := sessions.who(session)) is not None:
            sessions.log_out(holder)
    if answer.is_error:
        raise Unreachable(f"{line}: {answer.status_code}", place=address.url, cure="see the logs of the demo")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
