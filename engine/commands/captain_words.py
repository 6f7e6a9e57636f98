"""The commands by which people see the captaincy, and hand it over. Who may say them the engine decides."""

from typing import ClassVar

from engine.commands.kinds import Reason, why
from engine.commands.language import Command, argument
from engine.core.vocabulary.people_facts import Role


class CaptainShow(Command):
    """See who is captain, who is the deputy, and who acts now."""

    words = "captain show"
    role: ClassVar[Role] = "viewer"


class CaptainHandOver(Command):
    """Hand the captaincy over to another person."""

    words = "captain handover"
    role: ClassVar[Role] = "viewer"
    changes = True
    asks_first = True
    person: str = argument("Who is to be captain", complete="person", min_length=1, max_length=64)
    reason: Reason = why()


class CaptainAccept(Command):
    """Take the captaincy that you were offered."""

    words = "captain accept"
    role: ClassVar[Role] = "viewer"
    changes = True
    reason: Reason = why()


class CaptainDecline(Command):
    """Decline the captaincy that you were offered, or take your offer back."""

    words = "captain decline"
    role: ClassVar[Role] = "viewer"
    changes = True
    reason: Reason = why()


class CaptainAway(Command):
    """Say that the captain is away: the deputy acts."""

    words = "captain away"
    role: ClassVar[Role] = "viewer"
    changes = True
    reason: Reason = why()


class CaptainBack(Command):
    """Say that the captain is back, and acts again."""

    words = "captain back"
    role: ClassVar[Role] = "viewer"
    changes = True
    reason: Reason = why()


class CaptainDeputy(Command):
    """Name who acts while the captain is away."""

    words = "captain deputy"
    role: ClassVar[Role] = "viewer"
    changes = True
    person: str = argument("Who is to be deputy", complete="person", min_length=1, max_length=64)
