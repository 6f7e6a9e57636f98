"""One call of a Web API method, and the table the methods register in."""

from collections.abc import Callable
from dataclasses import dataclass, field

from simulator.fakes.fake_slack.desk import Desk
from simulator.fakes.fake_slack.limits import Limits
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, Channel, Json


@dataclass(kw_only=True)
class Call:
    """What a method gets: its arguments, and the desk to act on."""

    name: str
    args: Json
    scopes: frozenset[str]
    """What the token was granted."""
    desk: Desk
    limits: Limits
    problems: list[str] = field(default_factory=list)

    def problem(self, detail: str) -> None:
        """Note that a rule was broken."""
        self.problems.append(detail)

    def text(self, key: str) -> str:
        """Return an argument that must be there. Raises `Refused`."""
        value = self.args.get(key)
        if value is None or value == "":
            said = {"messages": [f"[ERROR] missing required field: {key}"]}
            raise Refused("invalid_arguments", problem=f"{key} is missing", response_metadata=said)
        return str(value)

    def number(self, key: str) -> int:
        """Return an argument that must be a whole number. Raises `Refused`."""
        try:
            return int(self.text(key))
        except ValueError:
            raise Refused("invalid_arguments", problem=f"{key} is no number") from None

    def channel(self, name: str | None = None) -> Channel:
        """Return the channel that is meant. Raises `Refused`."""
        wanted = name or str(self.args.get("channel") or "")
        found = self.desk.workspace.find_channel(wanted) if wanted else None
        is_hidden = found is not None and found.is_private and BOT_USER_ID not in found.members
        if found is None or is_hidden:
            raise Refused("channel_not_found", problem="" if wanted else "channel is missing")
        return found

    def needs(self, scope: str) -> None:
        """Ask for a scope. Raises `Refused` when the token was not granted it."""
        if scope not in self.scopes:
            provided = ",".join(sorted(self.scopes))
            raise Refused(
                "missing_scope", problem=f"the token lacks {scope}", needed=scope, provided=provided
            )


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method of the Web API."""

    run: Callable[[Call], Json]
    scope: str | None
    """The scope it needs whatever its arguments; `None` when that depends, or nothing is needed."""
    app_level: bool
    """Whether it takes the app's token (`xapp-`) rather than the bot's."""


def method(
    table: dict[str, Method], name: str, scope: str | None = None, *, app_level: bool = False
) -> Callable[[Callable[[Call], Json]], Callable[[Call], Json]]:
    """Register a function under a method's name."""

    def register(run: Callable[[Call], Json]) -> Callable[[Call], Json]:
        table[name] = Method(run=run, scope=scope, app_level=app_level)
        return run

    return register
