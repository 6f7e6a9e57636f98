"""A secret typed anywhere in a chat command is in no file and in no reply."""

import pytest

from engine.commands.catalogue import LANGUAGE
from tests.commands.desks import at_desk
from tests.privacy.planting import Planter, core_of, forms_of

pytestmark = pytest.mark.asyncio

SAID = (
    "{}",
    "what is {} doing",
    "stop agent:nobody it printed {}",
    "/kill agent:{}",
    "/resume all {}",
    "/approve d_7e566b8fac673f6 {}",
    "/deny {first} {}",
    "/ask {first} is {} yours?",
    "/vote {first} for {}",
    "/undo {first} {}",
    "/rate {first} useful {}",
    "/captain handover {}",
    "/canary pause heal {}",
    "/find {}",
    "/explain {}",
    "/status {} {}",
)


def lines() -> list[str]:
    """Those above, and every command there is with something planted behind its name."""
    return [*SAID, *(f"/{words} {{}}" for words in LANGUAGE.by_words)]


async def test_no_chat_line_keeps_a_secret(tmp_path):
    planter, replies = Planter(404), []
    async with at_desk(tmp_path) as given:
        for who in ("ray", "cat", "stranger"):
            for number, line in enumerate(lines()):
                said = line.replace("{}", planter.name())
                if "{first}" in said:
                    # Some of these lines stop everything, and what is asked then is denied.
                    asked = await given.engine.propose(1_000 * len(replies) + number, confidence=0.1)
                    said = said.replace("{first}", asked.verdict.decision_id)
                replies.append(repr(await given.say(who, said)))
        given.engine.live.intake.snapshot()
        assert len(given.journaled()) > len(lines())
    kept = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept["replies"] = "\n".join(replies).encode()
    found = [
        f"{place}: {core_of(secret)} in {form}"
        for place, content in kept.items()
        for secret in planter.made
        for form, data in forms_of(secret).items()
        if data in content
    ]
    assert found == []
