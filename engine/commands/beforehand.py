"""Standing approvals at the desk: what people let go on beforehand, for a while."""

from engine.adapters.machine_time import now_us
from engine.commands import catalogue as c
from engine.commands.cards import left_text
from engine.commands.model import Asker, Button, Confirm, Reply, Table
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import ActionName, StandingId
from engine.core.vocabulary.units import SECOND_US
from engine.runtime import wire


async def before_allow(tools: Tools, asker: Asker, said: c.StandingAllow) -> Confirm:
    """Say what would be let go on. Raises `InputError` for what nobody approves beforehand."""
    await tools.ask(_request(asker, said, only_asked=True), wire.StandingShown)
    return Confirm(
        title="Approve it beforehand?",
        text=f"Every {said.action}{_with(said.given)} that waits for one {asker.role}'s approval alone "
        f"goes on at once, for {said.minutes} minutes, in your name. Never what waits for votes, for more "
        "people or for a code, and nothing that a stop, a breaker or a limit stands against.",
        yes="Approve beforehand",
    )


async def allow(tools: Tools, asker: Asker, said: c.StandingAllow) -> Reply:
    """Let an approval stand."""
    made = await tools.ask(_request(asker, said), wire.StandingShown)
    return Reply(
        title=f"{asker.person} approves {made.action} beforehand",
        tone="warning",
        text=f"For {said.minutes} minutes: {made.action}{_with(made.args)}. What waits already still waits.",
        fields=(("Reason", said.reason),) if said.reason else (),
        buttons=(Button(label="Revoke", line=f"standing revoke {made.standing_id}", style="danger"),),
        footer=made.standing_id,
        private=False,
    )


async def show(tools: Tools, asker: Asker, said: c.StandingList) -> Reply:
    """List what stands."""
    standing = (await tools.ask(wire.GetStanding(), wire.StandingList)).standing
    rows = tuple(
        (
            each.standing_id,
            each.by,
            f"{each.action}{_with(each.args)}",
            left_text((each.until_us - now_us()) / SECOND_US),
            each.reason or "–",
        )
        for each in standing
    )
    return Reply(
        title="Approved beforehand" if rows else "Nothing is approved beforehand",
        table=Table(columns=("id", "by", "what", "time left", "why"), rows=rows) if rows else None,
        buttons=tuple(
            Button(label=f"Revoke {row[0]}", line=f"standing revoke {row[0]}", style="danger")
            for row in rows[:5]
        ),
    )


async def revoke(tools: Tools, asker: Asker, said: c.StandingRevoke) -> Reply:
    """End one at once."""
    request = wire.RevokeStanding(
        standing_id=StandingId(said.standing_id), by=asker.person, reason=said.reason
    )
    await tools.ask(request, wire.Done)
    return Reply(title=f"{asker.person} revoked {said.standing_id}", tone="good", private=False)


def summary(standing: wire.StandingList) -> str:
    """Write what stands in one line; empty where nothing does."""
    shown = [f"{each.action}{_with(each.args)} by {each.by}" for each in standing.standing]
    return f"Approved beforehand: {'; '.join(shown)}." if shown else ""


def _request(asker: Asker, said: c.StandingAllow, *, only_asked: bool = False) -> wire.GiveStanding:
    return wire.GiveStanding(
        by=asker.person,
        role=asker.role,
        action=ActionName(said.action),
        args=said.given,
        minutes=said.minutes,
        reason=said.reason,
        only_asked=only_asked,
    )


def _with(args: dict[str, str]) -> str:
    return f" with {', '.join(f'{name}={value}' for name, value in args.items())}" if args else ""
