"""What people do: type, complete, press, choose and fill in; and the wait until the bot is done."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from simulator.fakes.chat import Answer, Modal
from simulator.fakes.fake_discord import screens
from simulator.fakes.fake_discord.binding import bind
from simulator.fakes.fake_discord.command_rules import CHAT_INPUT
from simulator.fakes.fake_discord.component_rules import BUTTON, LABEL, LINK, SELECTS, STRING_SELECT, walk
from simulator.fakes.fake_discord.posting import Platform
from simulator.fakes.fake_discord.refusals import Json
from simulator.fakes.fake_discord.talks import (
    COMMAND,
    COMPLETING,
    COMPONENT,
    DEFER,
    DEFER_UPDATE,
    MODAL_SENT,
    Talk,
    Talks,
)
from simulator.fakes.fake_discord.world import ADMINISTRATOR, Message

_FAILED: Final = {
    COMMAND: "The application did not respond",
    COMPONENT: "This interaction failed",
    MODAL_SENT: "Something went wrong. Try again.",
    COMPLETING: "Loading options failed",
}


class Doing:
    """The hands of the people."""

    def __init__(self, platform: Platform, talks: Talks, *, quiet_s: float) -> None:
        """Take how long the bot must have been quiet before it counts as finished."""
        self.platform, self.talks, self.quiet_s = platform, talks, quiet_s
        self.world = platform.world
        self.copies = 1
        self._forms: dict[str, Talk] = {}
        # What the bot offered for an option, and what it stands for.
        self._offered: dict[tuple[str, str, str], Json] = {}

    # ------------------------------------------------------------ commands

    def commands_for(self, account: str, channel: str) -> Iterator[Json]:
        """Yield the commands that somebody sees in a channel, those of the guild first."""
        permissions = self.world.people[account].permissions
        is_direct = self.world.is_direct(channel)
        for scope in (None,) if is_direct else (self.world.guild, None):
            for command in self.world.commands[scope].values():
                contexts = command["contexts"]
                if command["type"] != CHAT_INPUT:
                    continue
                if is_direct and not (command["dm_permission"] if contexts is None else 1 in contexts):
                    continue
                if not is_direct and contexts is not None and 0 not in contexts:
                    continue
                needed = command["default_member_permissions"]
                # A command that asks for no permission at all, 0, is for administrators only.
                has_them = needed is None or (int(needed) and permissions & int(needed) == int(needed))
                if is_direct or has_them or permissions & ADMINISTRATOR:
                    yield command

    def _command(self, account: str, line: str, channel: str) -> tuple[Json, str]:
        """Return the command a line names, and its words."""
        name, _, words = line.removeprefix("/").partition(" ")
        if not line.startswith("/"):
            raise LookupError(f"a command begins with /, not {line[:20]!r}")
        for command in self.commands_for(account, channel):
            if command["name"] == name:
                return command, words
        raise LookupError(f"{self.world.name_of(account)} sees no command /{name} here")

    def _data(self, command: Json, options: list[Json], resolved: Json) -> Json:
        data: Json = {
            "id": command["id"],
            "name": command["name"],
            "type": command["type"],
            "options": options,
        }
        if resolved:
            data["resolved"] = resolved
        return data | ({"guild_id": command["guild_id"]} if "guild_id" in command else {})

    async def type(self, account: str, line: str, *, channel: str, settle_s: float) -> Answer:
        """Type a command and send it."""
        command, words = self._command(account, line, channel)

        def offered(option: str, word: str) -> Any:
            return self._offered.get((account, command["id"], option), {}).get(word)

        bound = bind(self.world, command, words, is_typing=False, offered=offered)
        data = self._data(command, bound.options, bound.resolved)
        talk = self.talks.begin(COMMAND, data, account=account, channel=channel, copies=self.copies)
        return await self._answer(talk, settle_s)

    async def complete(self, account: str, line: str, *, channel: str) -> tuple[str, ...]:
        """Return what the client or the bot offers for the last word of a line."""
        if " " not in line:
            names = (f"/{one['name']}" for one in self.commands_for(account, channel))
            return tuple(dict.fromkeys(name for name in names if name.startswith(line)))
        command, words = self._command(account, line, channel)
        bound = bind(self.world, command, words, is_typing=True, offered=lambda _option, _word: None)
        if bound.offered is not None or bound.focused is None:
            return bound.offered or ()
        data = self._data(command, bound.options, bound.resolved)
        talk = self.talks.begin(COMPLETING, data, account=account, channel=channel)
        await self._wait_for_ack(talk)
        self.talks.end(talk)
        offers = {choice["name"]: choice["value"] for choice in talk.choices}
        self._offered.setdefault((account, command["id"], bound.focused["name"]), {}).update(offers)
        return tuple(offers)

    # ------------------------------------------------------------ components

    def message_for(self, account: str, message_id: str) -> Message:
        """Return a message as somebody sees it. Raises `LookupError`."""
        stored = self.world.shown(message_id)
        place = self.world.channels[stored.channel]
        if stored.viewer not in (None, account) or place.recipient not in (None, account):
            raise LookupError(f"{self.world.name_of(account)} does not see message {message_id}")
        return stored

    def button(self, account: str, message_id: str, label: str) -> tuple[Message, Json]:
        """Return a button that can be pressed. Raises `LookupError`."""
        stored = self.message_for(account, message_id)
        buttons = list(screens.buttons_of(stored.components))
        found = [one for one in buttons if label in (screens.label_of(one), one.get("label"))]
        if not found:
            labels = ", ".join(screens.label_of(one) for one in buttons) or "none"
            raise LookupError(f"there is no button {label!r} under message {message_id}; there are: {labels}")
        alive = [one for one in found if not one.get("disabled")]
        if not alive:
            raise LookupError(f"the button {label!r} under message {message_id} is dead")
        if alive[0]["style"] == LINK:
            raise LookupError(f"the button {label!r} is a link to {alive[0]['url']}")
        return stored, alive[0]

    async def press(self, account: str, message_id: str, label: str, *, settle_s: float) -> Answer:
        """Press a button."""
        stored, button = self.button(account, message_id, label)
        data = {"custom_id": button["custom_id"], "component_type": BUTTON, "id": button["id"]}
        return await self._touch(account, stored, data, settle_s)

    async def choose(
        self, account: str, message_id: str, labels: tuple[str, ...], *, settle_s: float
    ) -> Answer:
        """Choose options of the select under a message that has them all. Raises `LookupError`."""
        stored = self.message_for(account, message_id)
        for part in walk(stored.components):
            if part["type"] != STRING_SELECT or part.get("disabled"):
                continue
            values = {option["label"]: option["value"] for option in part["options"]}
            if labels and all(label in values for label in labels):
                data = {"custom_id": part["custom_id"], "component_type": part["type"], "id": part["id"],
                        "values": [values[label] for label in labels]}  # fmt: skip
                return await self._touch(account, stored, data, settle_s)
        raise LookupError(f"no select under message {message_id} offers {', '.join(labels)}")

    async def _touch(self, account: str, stored: Message, data: Json, settle_s: float) -> Answer:
        talk = self.talks.begin(COMPONENT, data, account=account, channel=stored.channel, copies=self.copies,
                                message=stored)  # fmt: skip
        return await self._answer(talk, settle_s)

    async def fill(self, account: str, modal: Modal, values: Mapping[str, str], *, settle_s: float) -> Answer:
        """Fill a form in and send it. Raises what the client would keep back: `LookupError`, `ValueError`."""
        opened = self._forms.get(modal.handle)
        if opened is None or opened.modal is None or opened.account != account:
            raise LookupError(f"no form {modal.title!r} is open before {self.world.name_of(account)}")
        form = opened.modal
        labels = {label for label, _ in screens.asked(form)}
        if wrong := values.keys() - labels:
            raise LookupError(
                f"the form asks for {', '.join(sorted(labels))}, not for {', '.join(sorted(wrong))}"
            )
        filled = {one["id"]: _filled(label, one, values.get(label)) for label, one in screens.asked(form)}
        data = {
            "custom_id": form["custom_id"],
            "components": [_sent(one, filled) for one in form["components"]],
        }
        del self._forms[modal.handle]
        below = self.world.messages.get(opened.message or "")
        talk = self.talks.begin(MODAL_SENT, data, account=account, channel=opened.channel, copies=self.copies,
                                message=below)  # fmt: skip
        return await self._answer(talk, settle_s)

    # ------------------------------------------------------------ waiting

    async def _wait_for_ack(self, talk: Talk) -> None:
        """Wait until the bot took notice, or its time is up by the platform's clock."""
        waits = {
            asyncio.ensure_future(talk.acked.wait()),
            asyncio.ensure_future(self.platform.clock.sleep(self.talks.ack_limit_s)),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        talk.is_late = not talk.acked.is_set()

    async def _answer(self, talk: Talk, settle_s: float) -> Answer:
        """Wait until the bot finished, and return what came of it."""
        until = time.monotonic() + settle_s
        try:
            await self._wait_for_ack(talk)
            if talk.acked_at is None:
                return Answer(ack_s=self.platform.clock.now() - talk.at, failed=_FAILED[talk.kind])
            ack_s = talk.acked_at - talk.at
            if talk.modal is not None:
                self._forms[talk.token] = talk
                return Answer(modal=screens.modal(talk.token, talk.modal), ack_s=ack_s)
            if talk.answered in (DEFER, DEFER_UPDATE):
                await _within(talk.shown, until - time.monotonic())
            await self._quiet(talk, until)
        finally:
            self.talks.end(talk)
        now = self.platform.clock.now()
        written = [self.world.messages[one] for one in talk.written if one in self.world.messages]
        return Answer(screens=tuple(screens.screen(self.world, one, now) for one in written), ack_s=ack_s)

    async def _quiet(self, talk: Talk, until: float) -> None:
        """Wait until the bot calls no more: each call of its begins the quiet time anew."""
        while (left_s := until - time.monotonic()) > 0:
            talk.touched.clear()
            wait_s = left_s if self.talks.calls_under_way else min(self.quiet_s, left_s)
            if not await _within(talk.touched, wait_s) and not self.talks.calls_under_way:
                return


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event that long, and return whether it came."""
    try:
        await asyncio.wait_for(event.wait(), max(seconds, 0.0))
    except TimeoutError:
        return False
    return True


def _filled(label: str, one: Json, value: str | None) -> Json:
    """Return what a form sends of one thing it asked for."""
    if one["type"] in SELECTS:
        options = {option["label"]: option["value"] for option in one.get("options") or []}
        if value is not None and value not in options:
            raise LookupError(f"{label} is one of {', '.join(options)}, not {value!r}")
        if value is None and one.get("required", True):
            raise LookupError(f"{label} must be chosen")
        return {"values": [] if value is None else [options[value]]}
    text = one.get("value") or "" if value is None else value
    if not text and one.get("required", True):
        raise LookupError(f"{label} must be filled in")
    shortest, longest = one.get("min_length") or 0, one.get("max_length") or 4000
    if text and not shortest <= len(text) <= longest:
        raise ValueError(f"{label} takes {shortest} to {longest} characters, not {len(text)}")
    return {"value": text}


def _sent(part: Json, filled: Mapping[int, Json]) -> Json:
    """Return a part of a form as it is sent: what was asked is answered, what it looked like left out."""
    own: Json = {"type": part["type"], "id": part["id"]}
    if "custom_id" in part:
        own |= {"custom_id": part["custom_id"]} | filled[part["id"]]
    if part["type"] == LABEL:
        own["component"] = _sent(part["component"], filled)
    elif isinstance(part.get("components"), list):
        own["components"] = [_sent(one, filled) for one in part["components"]]
    return own
