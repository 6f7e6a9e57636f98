"""Who is who: linking accounts to people by one-time codes, and help."""

from engine.commands import catalogue as c
from engine.commands.language import Command
from engine.commands.model import Account, Asker, Reply, Table
from engine.commands.tools import Tools
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.errors import InputError

HOW_TO_GET_IN = (
    "On the machine it runs on, `watchkeeper link code NAME --role ROLE` makes a code; say /link CODE here. "
    "Somebody who is linked already gets a code for another account of theirs with /link."
)


def redeem(tools: Tools, account: Account, said: c.Link) -> Reply:
    """Link an account nobody knows, or that somebody else had no code for."""
    linked = tools.links.redeem(
        said.code, front=account.front, account_id=account.account_id, name=account.name
    )
    return Reply(
        title=f"You are {linked.person} here",
        tone="good",
        text=f"Your role is {linked.role}. /help shows what you can say.",
    )


async def link(tools: Tools, asker: Asker, said: c.Link) -> Reply:
    """Make a code for another account of the same person."""
    if said.code:
        raise InputError(
            f"this account is linked to {asker.person} already",
            cure="/unlink first, if it should be another's",
        )
    # Who only acts as captain for now gets no account that is one for good.
    own = tools.links.who(asker.account.front, asker.account.account_id)
    role = own.role if own is not None else asker.account.role or "viewer"
    code = tools.links.code(asker.person, role)
    return Reply(
        title="A code for another account of yours",
        text=f"Say  /link {code}  there within ten minutes. It works once, and makes whoever says it you.",
    )


async def unlink(tools: Tools, asker: Asker, said: c.Unlink) -> Reply:
    """Take this account's link away."""
    gone = tools.links.unlink(asker.account.front, asker.account.account_id)
    if gone is None:
        raise InputError("this account is known by a token, not by a link", cure="watchkeeper token revoke")
    return Reply(title="This account is linked to nobody now", text=HOW_TO_GET_IN)


async def whoami(tools: Tools, asker: Asker, said: c.Whoami) -> Reply:
    """Say who somebody is here."""
    others = sorted({f"{each.front}" for each in tools.links.all() if each.person == asker.person})
    return Reply(
        title=f"You are {asker.person}",
        fields=(
            ("Role", asker.role),
            ("Here", asker.account.front),
            ("Linked at", ", ".join(others) or "nowhere"),
        ),
    )


def help_text(commands: list[type[Command]], role: Role | None, about: type[Command] | None) -> Reply:
    """Show what can be said, or explain one command."""
    if about is not None:
        fields = [
            (each.usage(), each.description + (f" (by default {each.default})" if each.default else ""))
            for each in about.arguments()
        ]
        notes = [f"Takes a {about.role}."]
        notes += ["It shows what will happen and asks first."] if about.asks_first else []
        return Reply(
            title=about.usage(), text="\n".join(((about.__doc__ or "").strip(), *notes)), fields=tuple(fields)
        )
    rows = tuple(
        (each.usage(), each.summary()) for each in commands if role is None or RANKS[each.role] <= RANKS[role]
    )
    hidden = len(commands) - len(rows)
    return Reply(
        title="What you can say",
        table=Table(columns=("command", "what it does"), rows=rows),
        footer=f"{hidden} more take another role" if hidden else "/help COMMAND explains one",
    )
