"""The endpoints for an application's commands, global and of the guild."""

from collections.abc import Callable
from typing import Final

from simulator.fakes.fake_discord.command_rules import (
    CHAT_INPUT,
    MOST_COMMANDS,
    check_command,
    check_commands,
)
from simulator.fakes.fake_discord.posting import Platform
from simulator.fakes.fake_discord.refusals import Json, Refused, unknown
from simulator.fakes.fake_discord.rest import Call, Reply, Route

CREATES_A_DAY: Final = 200
_DAY_S: Final = 86_400.0


class _Commands:
    """Commands as they are registered."""

    def __init__(self, platform: Platform) -> None:
        self.platform, self.world = platform, platform.world
        self._created: dict[str | None, list[float]] = {}

    def scope(self, call: Call) -> str | None:
        """Return the guild a call is about; `None`: all of them. Raises `Refused`."""
        if call.match["application_id"] != self.world.application:
            raise Refused(403, 20012, "You are not authorized to perform this action on this application")
        guild = call.match.get("guild_id")
        if guild not in (None, self.world.guild):
            raise unknown("Guild")
        return guild

    def found(self, call: Call) -> Json:
        """Return the command a call names."""
        known = self.world.commands[self.scope(call)]
        if call.match["command_id"] not in known:
            raise unknown("application command")
        return known[call.match["command_id"]]

    def same(self, scope: str | None, command: Json) -> Json | None:
        """Return the registered command of the same kind and name."""
        kind, name = command.get("type") or CHAT_INPUT, command.get("name")
        return next(
            (c for c in self.world.commands[scope].values() if (c["type"], c["name"]) == (kind, name)), None
        )

    def put(self, call: Call) -> Reply:
        scope = self.scope(call)
        if not isinstance(call.body, list):
            raise Refused(400, 50109, "The request body contains invalid JSON.")
        commands: list[Json] = call.body
        check_commands(commands)
        kept = {}
        for command in commands:
            before = self.same(scope, command)
            if before is None:
                self._count(scope)
            registered = self._registered(scope, command, before)
            kept[registered["id"]] = registered
        self._check_number(list(kept.values()))
        self.world.commands[scope] = kept
        return Reply(body=list(kept.values()))

    def post(self, call: Call) -> Reply:
        scope = self.scope(call)
        check_command(call.table)
        before = self.same(scope, call.table)
        if before is None:
            self._count(scope)
        registered = self._registered(scope, call.table, before)
        known = self.world.commands[scope] | {registered["id"]: registered}
        self._check_number(list(known.values()))
        self.world.commands[scope] = known
        return Reply(body=registered, status=201 if before is None else 200)

    def patch(self, call: Call) -> Reply:
        before = self.found(call)
        changed = before | call.table | {"type": before["type"]}
        check_command(changed)
        registered = self._registered(self.scope(call), changed, before)
        self.world.commands[self.scope(call)][before["id"]] = registered
        return Reply(body=registered)

    def listed(self, call: Call) -> Reply:
        return Reply(body=list(self.world.commands[self.scope(call)].values()))

    def get(self, call: Call) -> Reply:
        return Reply(body=self.found(call))

    def delete(self, call: Call) -> Reply:
        del self.world.commands[self.scope(call)][self.found(call)["id"]]
        return Reply()

    def _count(self, scope: str | None) -> None:
        now = self.platform.clock.now()
        recent = [at for at in self._created.get(scope, []) if at > now - _DAY_S]
        if len(recent) >= CREATES_A_DAY:
            message = f"Max number of daily application command creates has been reached ({CREATES_A_DAY})"
            raise Refused(400, 30034, message)
        self._created[scope] = [*recent, now]

    def _check_number(self, commands: list[Json]) -> None:
        for kind, most in MOST_COMMANDS.items():
            if sum(one["type"] == kind for one in commands) > most:
                raise Refused(400, 30032, f"Maximum number of application commands reached ({most})")

    def _registered(self, scope: str | None, command: Json, before: Json | None) -> Json:
        permissions = command.get("default_member_permissions")
        registered: Json = {
            "id": before["id"] if before else self.world.next_id(),
            "application_id": self.world.application,
            "version": self.world.next_id(),
            "type": command.get("type") or CHAT_INPUT,
            "name": command["name"],
            "name_localizations": command.get("name_localizations"),
            "description": command.get("description") or "",
            "description_localizations": command.get("description_localizations"),
            "options": command.get("options") or [],
            "default_member_permissions": None if permissions is None else str(permissions),
            "dm_permission": command.get("dm_permission", True),
            "contexts": command.get("contexts"),
            "integration_types": command.get("integration_types") or [0],
            "nsfw": bool(command.get("nsfw")),
        }
        return registered if scope is None else registered | {"guild_id": scope}


def command_routes(platform: Platform) -> list[Route]:
    """Return the endpoints, each of them for all guilds and for one."""
    commands = _Commands(platform)
    own: list[tuple[str, str, Callable[[Call], Reply]]] = [
        ("GET", "", commands.listed),
        ("PUT", "", commands.put),
        ("POST", "", commands.post),
        ("GET", "/{command_id}", commands.get),
        ("PATCH", "/{command_id}", commands.patch),
        ("DELETE", "/{command_id}", commands.delete),
    ]
    return [
        Route(
            method=method, template=f"/applications/{{application_id}}{guild}/commands{rest}", handler=handler
        )
        for guild in ("", "/guilds/{guild_id}")
        for method, rest, handler in own
    ]
