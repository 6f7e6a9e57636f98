"""The command by which a captain keeps a changed policy that was tried on history."""

import re
from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator

from engine.commands.kinds import Reason, why
from engine.commands.language import Command, argument
from engine.core.vocabulary.people_facts import Role

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no name for a folder; use small letters, digits, dots and dashes")
    return text


class PolicySave(Command):
    """Keep a changed policy as a folder of its own, to be replayed and compared. It decides nothing."""

    words = "policy save"
    role: ClassVar[Role] = "captain"
    changes = True
    listed = False
    draft: str = argument("The draft, as the console made it", min_length=1, max_length=64)
    name: Annotated[str, AfterValidator(_name)] = argument("Name of the new policy folder")
    reason: Reason = why()
