"""People at work in a fake Slack: they type, press and fill in, and read what came of it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

from simulator.fakes.chat import Answer, Modal, Screen
from simulator.fakes.fake_slack import payloads
from simulator.fakes.fake_slack.controls import (
    EXTERNAL,
    confirm_text,
    find_control,
    inputs,
    options_of,
    refused_by_form,
    state_of,
)
from simulator.fakes.fake_slack.deliveries import Delivered, Kind
from simulator.fakes.fake_slack.desk import Desk
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.rules import options_faults
from simulator.fakes.fake_slack.screens import modal, screen
from simulator.fakes.fake_slack.workspace import BOT_USER_ID, Json, Message, View

NOT_INTERACTIVE = "This app is not configured to handle interactive responses."
_MODAL_TROUBLE = "We had some trouble connecting. Try again?"
_LEAST_TYPED = 3
"""How many letters Slack waits for before it asks a bot for options, unless the menu says otherwise."""


class People:
    """What people do, and how Slack tells the bot of it."""

    def __init__(
        self, *, desk: Desk, quiet_s: float, is_interactive: bool, is_unfinished: Callable[[Screen], bool]
    ) -> None:
        self._desk = desk
        self._quiet_s = quiet_s
        self._is_interactive = is_interactive
        self._is_unfinished = is_unfinished
        self.is_busy: Callable[[], bool] = lambda: False
        """What a bot of this process says of itself: while it is, it has not finished, however quiet."""
        self.copies = 1
        """How often each thing is delivered."""
        self.as_retries = False
        """Whether events are delivered again as Slack's own retries, each in an envelope of its own."""

    # ------------------------------------------------------------ typing

    async def type(
        self, account: str, line: str, *, channel: str, thread: str | None = None, settle_s: float
    ) -> Answer:
        """Type a line: a command, or a message, which may speak to the bot."""
        where = self._desk.workspace.find_channel(channel)
        if where is None:
            raise LookupError(f"no channel {channel!r}")
        if line.startswith("/"):
            if thread is not None:
                raise LookupError(f"{line.split(maxsplit=1)[0]} is not supported in threads. Sorry!")
            return await self._command(account, line, where.id, settle_s)
        return await self._say(account, line, where.id, thread, settle_s)

    async def _command(self, account: str, line: str, channel: str, settle_s: float) -> Answer:
        command, _, text = line.partition(" ")
        if command not in self._desk.commands:
            known = ", ".join(sorted(self._desk.commands)) or "none"
            raise LookupError(f"{command} is not a valid command; registered are: {known}")
        text = text.strip()
        if self._desk.commands[command].get("should_escape"):
            text = self._with_mentions(text)
        hook = self._desk.hooks.new(kind="commands", channel=channel, account=account)
        payload = payloads.slash_command(
            self._desk.workspace,
            account=account,
            channel=channel,
            command=command,
            text=text,
            response_url=self._desk.hooks.url(hook),
            trigger_id=self._desk.modals.new_trigger(account),
        )

        def take(answer: Json | None) -> None:
            if answer:
                self._desk.hooks.answer(hook, answer, where=f"the acknowledgement of {command}")

        return await self._do(
            account,
            lambda: self._deliver("slash_commands", payload),
            take=take,
            words=lambda why: f'{command} failed with the error "{why}"',
            settle_s=settle_s,
        )

    async def _say(
        self, account: str, line: str, channel: str, thread: str | None, settle_s: float
    ) -> Answer:
        workspace, news = self._desk.workspace, self._desk.news
        message = workspace.post(
            channel=channel, author=account, text=self._with_mentions(line), thread_ts=thread
        )
        where = workspace.channels[channel]
        telling = [news.of_message(where, payloads.message_event(workspace, message), **self._again())]
        if to_bot := f"<@{BOT_USER_ID}>" in message.text and where.direct_to is None:
            telling.append(news.tell("app_mention", where, payloads.mention_event(message), **self._again()))
        tasks = [task for task in telling if task is not None]

        async def heard() -> Delivered:
            told = await asyncio.gather(*tasks)
            # The bot's answer to being spoken to is what counts, and that event is the last.
            return told[-1] if told else Delivered(ack_s=0.0)

        # What nobody answers a person sees no error for: Slack tells events again, in silence.
        return await self._do(
            account,
            heard,
            take=lambda _: None,
            words=lambda _: "",
            settle_s=settle_s,
            wants_answer=bool(tasks) and (to_bot or where.direct_to is not None),
        )

    def _again(self) -> dict[str, int]:
        return {"copies": 1, "retries": self.copies - 1} if self.as_retries else {"copies": self.copies}

    def _with_mentions(self, line: str) -> str:
        names = {person.name: person.id for person in self._desk.workspace.people.values()}
        safe = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return re.sub(
            r"@([\w.-]+)", lambda m: f"<@{names[m.group(1)]}>" if m.group(1) in names else m.group(), safe
        )

    # ------------------------------------------------------------ buttons

    def _message(self, account: str, message_id: str) -> Message:
        message = self._desk.workspace.posts.get(message_id)
        if message is None or message.to not in {None, account}:
            raise LookupError(f"no message {message_id!r} that this person can see")
        return message

    async def press(self, account: str, message_id: str, label: str, *, settle_s: float) -> Answer:
        """Press a button, or choose from a menu, and confirm it where a dialog asks."""
        message = self._message(account, message_id)
        action, _ = find_control(message, label)
        if not self._is_interactive:
            return Answer(ack_s=0.0, failed=NOT_INTERACTIVE)
        hook = self._desk.hooks.new(
            kind="actions", channel=message.channel, account=account, original=message_id
        )
        payload = payloads.block_actions(
            self._desk.workspace,
            account=account,
            message=message,
            action=action,
            response_url=self._desk.hooks.url(hook),
            trigger_id=self._desk.modals.new_trigger(account),
        )

        def take(answer: Json | None) -> None:
            if answer:
                raise Refused(
                    "", problem="the acknowledgement of block_actions: its words are shown to nobody"
                )

        return await self._do(
            account,
            lambda: self._deliver("interactive", payload),
            take=take,
            words=lambda why: f'the button shows a warning sign: "{why}"',
            settle_s=settle_s,
        )

    def cancel(self, account: str, message_id: str, label: str) -> str:
        """Press a button and decline; return what its dialog said."""
        _, element = find_control(self._message(account, message_id), label)
        return confirm_text(element)

    # ------------------------------------------------------------ modals

    def _view(self, account: str, handle: str) -> View:
        view = self._desk.modals.top(account)
        if view is None or view.id != handle:
            raise LookupError(f"modal {handle!r} is not what stands before this person")
        return view

    async def fill(self, account: str, form: Modal, values: Mapping[str, str], *, settle_s: float) -> Answer:
        """Fill a modal in and send it; fields not named keep what stood in them."""
        view = self._view(account, form.handle)
        blocks = inputs(view)
        if unknown := values.keys() - blocks.keys():
            raise LookupError(f"no field {', '.join(sorted(unknown))}; there are: {', '.join(blocks)}")
        filled = {field.label: field.value for field in modal(view, self._desk.workspace).fields} | dict(
            values
        )
        if errors := refused_by_form(view, filled):
            self._desk.modals.complain(view, errors)
            return Answer(modal=modal(view, self._desk.workspace), ack_s=0.0)
        state: Json = {}
        for label, block in blocks.items():
            offered = await self._offered(view, block, filled[label])
            one = state_of(self._desk.workspace, block, filled[label], offered)
            state.setdefault(block["block_id"], {})[block["element"]["action_id"]] = one
        payload = payloads.view_submission(
            self._desk.workspace,
            view=view,
            values=state,
            trigger_id=self._desk.modals.new_trigger(account, from_modal=True),
        )
        return await self._do(
            account,
            lambda: self._deliver("interactive", payload),
            take=lambda answer: self._after_submission(view, answer),
            words=lambda _: _MODAL_TROUBLE,
            settle_s=settle_s,
            stays_open=True,
        )

    def _after_submission(self, view: View, answer: Json | None) -> None:
        modals, action = self._desk.modals, (answer or {}).get("response_action")
        where = "the acknowledgement of view_submission"
        if not answer:
            modals.close(view.account, everything=False)
        elif action == "clear":
            modals.close(view.account, everything=True)
        elif action == "errors":
            errors, known = answer.get("errors") or {}, {b["block_id"] for b in inputs(view).values()}
            if not errors or not errors.keys() <= known:
                raise Refused(
                    _MODAL_TROUBLE,
                    problem=f"{where}: errors for {sorted(errors)}, inputs are {sorted(known)}",
                )
            modals.complain(view, errors)
        elif action == "update":
            modals.update(answer.get("view") or {}, view_id=view.id)
        elif action == "push":
            modals.put_on_top(view.account, answer.get("view") or {})
        else:
            raise Refused(_MODAL_TROUBLE, problem=f"{where}: {answer!r} is no answer to it")

    async def dismiss(self, account: str, form: Modal, *, settle_s: float) -> Answer:
        """Close a modal without sending it; a bot that asked to be notified is told."""
        view = self._view(account, form.handle)
        payload = payloads.view_closed(self._desk.workspace, view=view, is_cleared=False)
        everything = bool(view.content.get("clear_on_close"))
        self._desk.modals.close(account, everything=everything)
        if not view.content.get("notify_on_close"):
            return Answer(ack_s=0.0)
        return await self._do(
            account,
            lambda: self._deliver("interactive", payload),
            take=lambda _: None,
            words=lambda _: "",
            settle_s=settle_s,
            wants_answer=False,
            stays_open=True,
        )

    # ------------------------------------------------------------ options

    async def complete(self, account: str, line: str) -> tuple[str, ...]:
        """Return what a menu of the open modal offers for `Label: letters`; a command has no completion."""
        view = self._desk.modals.top(account)
        if line.startswith("/") or view is None:
            return ()
        label, _, typed = line.rpartition(": ")
        menus = [
            b for name, b in inputs(view).items() if b["element"]["type"] in EXTERNAL and label in {"", name}
        ]
        if not menus or len(typed) < menus[0]["element"].get("min_query_length", _LEAST_TYPED):
            return ()
        return tuple(option["text"]["text"] for option in await self._offered(view, menus[0], typed))

    async def _offered(self, view: View, block: Json, typed: str) -> list[Json]:
        if block["element"]["type"] not in EXTERNAL or not typed:
            return []
        payload = payloads.block_suggestion(self._desk.workspace, view=view, block=block, value=typed)
        told = await self._deliver("interactive", payload)
        if told.failed:
            return []
        faults = options_faults(told.payload)
        self._desk.problems.extend(f"the answer to block_suggestion: {fault.detail}" for fault in faults)
        return [] if faults or told.payload is None else options_of(told.payload)

    # ------------------------------------------------------------ what came of it

    async def _deliver(self, kind: Kind, payload: Json) -> Delivered:
        return await self._desk.line().deliver(kind, payload, copies=self.copies)

    async def _do(
        self,
        account: str,
        deliver: Callable[[], Awaitable[Delivered]],
        *,
        take: Callable[[Json | None], None],
        words: Callable[[str], str],
        settle_s: float,
        wants_answer: bool = True,
        stays_open: bool = False,
    ) -> Answer:
        """Deliver one thing, take the acknowledgement as Slack does, and wait until the bot has finished."""
        activity = self._desk.activity
        since, shown, opened = activity.steps, len(activity.shown), len(activity.opened)
        failed = ""
        with activity.under_way():
            told = await deliver()
            if told.failed:
                failed = words(told.failed)
            else:
                try:
                    take(told.payload)
                except Refused as no:
                    if no.problem:
                        self._desk.problems.append(no.problem)
                    failed = words(no.error) if no.error else ""
        patient = wants_answer and not told.failed and not failed

        def screens() -> tuple[Screen, ...]:
            posts = (self._desk.workspace.posts.get(ts) for ts in dict.fromkeys(activity.shown[shown:]))
            seen = (post for post in posts if post is not None and self._sees(account, post))
            return tuple(screen(post, self._desk.workspace) for post in seen)

        def is_answered() -> bool:
            if not patient:
                return True
            return activity.steps > since and not any(map(self._is_unfinished, screens()))

        await activity.settle(
            is_answered=is_answered, is_busy=self.is_busy, quiet_s=self._quiet_s, settle_s=settle_s
        )
        view = self._desk.modals.top(account) if stays_open or len(activity.opened) > opened else None
        return Answer(
            screens=screens(),
            modal=modal(view, self._desk.workspace) if view is not None else None,
            ack_s=told.ack_s,
            failed=failed,
        )

    def _sees(self, account: str, message: Message) -> bool:
        members = self._desk.workspace.channels[message.channel].members
        return message.to == account if message.to is not None else account in members
