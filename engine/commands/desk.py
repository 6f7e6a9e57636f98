"""The desk: every command comes by here. Identify, authorise, ask back, act, journal, answer.

A command is done once, however often its delivery is repeated: it is known by the id the platform gave the
event, the envelope or the interaction. What changes anything is journaled before it is done; stopping alone
comes first and is journaled after, for it must work with the engine dead.
"""

import asyncio
import hashlib
import logging
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct, structs

from engine.adapters.machine_time import now_us
from engine.adapters.redaction import redact
from engine.commands import (
    beforehand,
    captaincy,
    contesting,
    judging,
    looking,
    oncall,
    override,
    people,
    questioning,
    recommending,
    steering,
    stepping,
    triage,
    voting,
    waking,
    working,
)
from engine.commands import catalogue as c
from engine.commands.completing import Completions
from engine.commands.language import Command, Given, mended
from engine.commands.model import Account, Asker, Button, Confirm, Reply
from engine.commands.replies import clean, refusal
from engine.commands.tools import Tools
from engine.core.vocabulary.facts import CommandGiven, decode
from engine.core.vocabulary.ids import PersonId
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import Forbidden, InputError, Unreachable, WatchkeeperError
from engine.runtime import wire

_log = logging.getLogger("watchkeeper.desk")

Act = Callable[[Tools, Asker, Any], Awaitable[Reply]]
Preview = Callable[[Tools, Asker, Any], Awaitable[Confirm]]

ACTS: Final[dict[type[Command], Act]] = {
    c.Kill: override.kill,
    c.Resume: override.resume,
    c.Override: override.override,
    c.Approve: override.approve,
    c.Change: override.change,
    c.Deny: override.deny,
    c.Ask: questioning.ask,
    c.CaptainShow: captaincy.show,
    **dict.fromkeys(captaincy.WORDS, captaincy.say),
    c.Vote: voting.vote,
    c.Ballot: contesting.ballot,
    c.Settle: contesting.settle,
    c.Decline: recommending.decline,
    **waking.ACTS,
    **oncall.ACTS,
    c.StandingAllow: beforehand.allow,
    c.StandingList: beforehand.show,
    c.StandingRevoke: beforehand.revoke,
    c.ApproveAll: triage.approve_all,
    c.Undo: override.undo,
    c.Rate: judging.rate,
    c.Status: looking.status,
    c.Decisions: looking.decisions,
    c.Recommendations: recommending.recommendations,
    c.Explain: looking.explain,
    c.Audit: looking.audit,
    c.Agents: looking.agents,
    c.Budget: looking.budget,
    c.Limits: looking.limits,
    c.Calibration: judging.calibration,
    c.CanaryStatus: steering.status,
    c.CanaryPromote: steering.promote,
    c.CanaryPause: steering.pause,
    c.CanaryResume: steering.resume,
    c.CanaryAbort: steering.abort,
    c.CanaryHistory: steering.history,
    c.ShadowReport: steering.shadow,
    c.ReplayStart: working.start,
    c.ReplayStatus: working.status,
    c.ReplayCancel: working.cancel,
    c.ReplayReport: working.report,
    c.PolicySave: working.keep_policy,
    c.Snapshot: working.snapshot,
    c.Restore: working.restore,
    c.Link: people.link,
    c.Unlink: people.unlink,
    c.Enrol: stepping.enrol,
    c.Whoami: people.whoami,
}
"""What each command does."""

PREVIEWS: Final[dict[type[Command], Preview]] = {
    c.Resume: override.before_resume,
    c.Override: override.before_override,
    c.CaptainHandOver: captaincy.before_hand_over,
    c.StandingAllow: beforehand.before_allow,
    c.ApproveAll: triage.before_approve_all,
    c.Undo: override.before_undo,
    c.Drill: waking.before_drill,
    c.OnCallSwap: oncall.before_swap,
    c.CanaryPromote: steering.before_promote,
    c.CanaryAbort: steering.before_abort,
    c.Restore: working.before_restore,
}
"""What is shown before a command that asks first is done."""

_REMEMBERED: Final = 10_000
_CONFIRM_US: Final = 2 * MINUTE_US
_ENROL_US: Final = 10 * MINUTE_US
_MOST_QUESTIONS: Final = 1_000
_JOURNAL_S: Final = 2.0
_LONGEST_DETAIL: Final = 300


class _Question(Struct, frozen=True):
    """What somebody was asked to confirm."""

    front: str
    account_id: str
    command: Command
    until_us: int
    by_code: bool = False
    """Whether a one-time code is what confirms it."""


class Desk:
    """One desk serves every front-end of a process."""

    def __init__(self, tools: Tools) -> None:
        """Take the means."""
        self.tools = tools
        self._completions = Completions(tools)
        self._under_way: dict[str, asyncio.Future[Reply]] = {}
        self._done: OrderedDict[str, Reply] = OrderedDict()
        self._questions: OrderedDict[str, _Question] = OrderedDict()
        self._behind: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Finish what is being journaled, and let go of everything."""
        await asyncio.gather(*self._behind, return_exceptions=True)
        await self.tools.close()

    def is_quiet(self) -> bool:
        """Whether every command it was given has its answer."""
        return not self._under_way

    async def give(self, said: str | Command | Given, account: Account, key: str) -> Reply:
        """Take a command and return its answer. Never raises but when cancelled.

        `key` is the id the platform gave this delivery; the same one again gets the same answer, and nothing
        is done twice.
        """
        name = f"{account.front}:{key}"
        known = self._done.get(name)
        if known is not None:
            return known
        under_way = self._under_way.get(name)
        if under_way is None:
            under_way = self._under_way[name] = asyncio.ensure_future(self._give(said, account, name))
            under_way.add_done_callback(lambda _: self._under_way.pop(name, None))
        # One of two who wait for it may go away without taking it back from the other.
        return await asyncio.shield(under_way)

    async def _give(self, said: str | Command | Given, account: Account, name: str) -> Reply:
        if not isinstance(said, Command):
            said = mended(said) if isinstance(said, str) else said.mended()
        # Until it can be read, nobody knows where in it a code stands.
        text = said if isinstance(said, str) else said.line()
        line = _unread(text)
        try:
            command = _read(said)
            line = command.line()
            reply = await self._do(command, account, name)
        except Forbidden as refused:
            reply = refusal(refused, "forbidden")
            self._note(line, account, name, reply)
        except InputError as refused:
            reply = refusal(refused, "refused")
            self._note(line, account, name, reply)
        except WatchkeeperError as failed:
            # Not remembered: the same delivery, repeated, may find things well again.
            return clean(refusal(failed, "failed"))
        except Exception as bug:  # noqa: BLE001 - whoever asked gets an answer, and the log has the rest
            _log.exception("a command failed: %s", redact(line))
            inside = Unreachable(f"it failed inside with {type(bug).__name__}", cure="see the front's log")
            return clean(refusal(inside, "failed"))
        reply = clean(reply)
        self._done[name] = reply
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        return reply

    async def offer(self, kind: str, typed: str, account: Account) -> list[str]:
        """Return what can be offered for an argument as it is typed; nothing to strangers. Never raises."""
        try:
            known = self.identify(account) is not None
        except WatchkeeperError:
            return []
        # What anybody may ask for help about is no secret.
        return await self._completions.complete(kind, typed) if known or kind == "command" else []

    # ------------------------------------------------------------ one command

    async def _do(self, command: Command, account: Account, name: str) -> Reply:
        asker = self.identify(account)
        if isinstance(command, c.Help):
            return self._help(command, asker)
        if isinstance(command, c.Link) and asker is None and command.code:
            reply = people.redeem(self.tools, account, command)
            self._note("link", account, name, reply)
            return reply
        if asker is None:
            raise Forbidden(f"nobody is linked to this {account.front} account", cure=people.HOW_TO_GET_IN)
        if isinstance(command, c.No):
            self._questions.pop(command.token, None)
            return Reply(title="Nothing was done")
        if isinstance(command, c.Code):
            given = command
            try:
                command, asker = self._stepped_up(given, asker)
            except InputError as wrong:
                return self._again(wrong, given, asker, name)
        return await self._said(command, asker, name)

    async def _said(self, command: Command, asker: Asker, name: str) -> Reply:
        """Do what somebody we know said, or ask back first."""
        confirmed = asker.stepped_up
        if isinstance(command, c.Yes):
            command, confirmed = self._confirmed(command, asker.account), True
        self._authorise(command, asker)
        if command.asks_first and not confirmed:
            return await self._ask_back(command, asker)
        if not asker.stepped_up and stepping.takes_a_code(self.tools, command):
            return self._ask_for_code(command, asker)
        return await self._act(command, asker, name)

    async def _act(self, command: Command, asker: Asker, name: str) -> Reply:
        kind = type(command)
        if not kind.changes:
            reply = await ACTS[kind](self.tools, asker, command)
            self._note(command.line(), asker.account, name, reply, asker)
            return reply
        if (before := self._journaled(name)) is not None:
            return before
        if kind is not c.Kill:
            await self._journal(f"command:{name}", command.line(), asker, outcome="begun")
        reply = await ACTS[kind](self.tools, asker, command)
        self._note(command.line(), asker.account, name, reply, asker)
        return reply

    def identify(self, account: Account) -> Asker | None:
        """Return who an account belongs to; `None` for a stranger. Raises `StorageError`."""
        if account.person is not None and account.role is not None:
            return self._asker(account.person, account.role, account)
        linked = self.tools.links.who(account.front, account.account_id)
        if linked is None:
            return None
        return self._asker(linked.person, linked.role, account)

    def _asker(self, person: PersonId, role: Role, account: Account) -> Asker:
        """Return somebody we know, with a captain's role if they act as captain."""
        acts = role != "captain" and captaincy.acts(self.tools, person)
        return Asker(person=person, role="captain" if acts else role, account=account)

    @staticmethod
    def _authorise(command: Command, asker: Asker) -> None:
        """Let pass whoever's role is high enough. The one place where this is decided."""
        if isinstance(command, c.Kill) and asker.account.front == "terminal" and asker.account.person:
            # Whoever sits at the machine can write to the state folder, and so could stop by hand.
            return
        if RANKS[asker.role] < RANKS[command.role]:
            raise Forbidden(
                f"{asker.person} is a {asker.role}, and /{command.words} takes a {command.role}",
                cure=f"ask a {command.role}; `watchkeeper link code {asker.person} --role {command.role}` "
                "gives a higher role",
            )

    # ------------------------------------------------------------ asking back

    async def _ask_back(self, command: Command, asker: Asker) -> Reply:
        confirm = await PREVIEWS[type(command)](self.tools, asker, command)
        if confirm.instead:
            command = c.LANGUAGE.parse(confirm.instead)
        token = self._question(command, asker.account, _CONFIRM_US)
        return Reply(
            title=confirm.title,
            outcome="asks",
            tone="warning",
            text=confirm.text,
            buttons=(
                Button(label=confirm.yes, line=f"yes {token}", style="danger"),
                Button(label="Cancel", line=f"no {token}"),
            ),
            footer="Nothing has happened yet; the question stands for two minutes",
        )

    def _ask_for_code(self, command: Command, asker: Asker) -> Reply:
        if isinstance(command, c.Enrol):
            token = self._question(command, asker.account, _ENROL_US, by_code=True)
            return stepping.show_seed(self.tools, asker, token)
        token = self._question(command, asker.account, _CONFIRM_US, by_code=True)
        return stepping.ask_for_code(self.tools, asker, command, token)

    def _question(self, command: Command, account: Account, within_us: int, *, by_code: bool = False) -> str:
        token = secrets.token_hex(8)
        question = _Question(account.front, account.account_id, command, now_us() + within_us, by_code)
        self._questions[token] = question
        if len(self._questions) > _MOST_QUESTIONS:
            self._questions.popitem(last=False)
        return token

    def _stepped_up(self, said: c.Code, asker: Asker) -> tuple[Command, Asker]:
        """Return what a code confirms, and who gave it. The question stands until a right one comes."""
        command = self._asked(said.token, asker.account, by_code=True)
        if isinstance(command, c.Enrol):
            self.tools.step_up.confirm(asker.person, said.code)
        else:
            self.tools.step_up.check(asker.person, said.code)
        self._questions.pop(said.token, None)
        return command, structs.replace(asker, stepped_up=True)

    def _again(self, wrong: InputError, said: c.Code, asker: Asker, name: str) -> Reply:
        """Say what is wrong with a code, and ask again as long as the question stands."""
        reply = refusal(wrong, "refused")
        self._note(said.line(), asker.account, name, reply, asker)
        if said.token in self._questions:
            reply = structs.replace(reply, buttons=(stepping.give_code(said.token),))
        return reply

    def _confirmed(self, said: c.Yes, account: Account) -> Command:
        command = self._asked(said.token, account, by_code=False)
        # Popped, so that a second press does nothing more.
        del self._questions[said.token]
        return command

    def _asked(self, token: str, account: Account, *, by_code: bool) -> Command:
        question = self._questions.get(token)
        mine = question is not None and (question.front, question.account_id) == (
            account.front,
            account.account_id,
        )
        if question is None or not mine or question.until_us < now_us():
            raise InputError("that question does not stand any more", cure="give the command again")
        if question.by_code is not by_code:
            # What takes a code is not to be had by saying yes.
            raise InputError("that question is answered otherwise", cure="press what stands under it")
        return question.command

    def _help(self, said: c.Help, asker: Asker | None) -> Reply:
        about = c.LANGUAGE.find(said.command.removeprefix("/"))[0] if said.command else None
        reply = people.help_text(c.LANGUAGE.listed(), asker.role if asker is not None else None, about)
        if asker is None:
            return structs.replace(reply, text="\n".join(filter(None, (reply.text, people.HOW_TO_GET_IN))))
        return reply

    # ------------------------------------------------------------ the journal

    def _journaled(self, name: str) -> Reply | None:
        """Say what became of a command that was given before a restart; `None` when it is new."""
        try:
            journal = self.tools.journal()
            begun, ended = journal.find(f"command:{name}"), journal.find(f"answered:{name}")
        except WatchkeeperError:
            return None
        if ended is not None:
            fact = decode(ended.body)
            outcome = fact.outcome if isinstance(fact, CommandGiven) else "done"
            return Reply(title="That was done already", text=f"It ended as {outcome}. /audit shows it.")
        if begun is not None:
            return Reply(
                title="That was begun already",
                outcome="refused",
                tone="warning",
                text="It was interrupted, so nobody knows whether it was done. Look, then give it anew.",
            )
        return None

    async def _journal(
        self, key: str, line: str, whose: Account | Asker, *, outcome: Any, detail: str = ""
    ) -> None:
        fact = CommandGiven(
            at_us=now_us(),
            command=redact(line)[:_LONGEST_DETAIL],
            by=whose.person if isinstance(whose, Asker) else _stranger(whose),
            front=(whose.account if isinstance(whose, Asker) else whose).front,
            outcome=outcome,
            detail=redact(detail)[:_LONGEST_DETAIL],
        )
        await self.tools.ask(wire.Tell(key=key, fact=fact), wire.Done, timeout_s=_JOURNAL_S)

    def _note(self, line: str, account: Account, name: str, reply: Reply, asker: Asker | None = None) -> None:
        """Journal how a command ended. Nobody waits for it."""
        if asker is None:
            try:
                asker = self.identify(account)
            except WatchkeeperError:
                asker = None
        whose = asker or account
        outcome = "done" if reply.outcome == "asks" else reply.outcome
        detail = "" if outcome == "done" else f"{reply.title}: {reply.text}"

        async def note() -> None:
            try:
                await self._journal(f"answered:{name}", line, whose, outcome=outcome, detail=detail)
            except WatchkeeperError as lost:
                _log.warning("a command is not in the journal: %s: %s", redact(line), lost)

        task = asyncio.create_task(note())
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)


def _read(said: str | Command | Given) -> Command:
    if isinstance(said, str):
        return c.LANGUAGE.parse(said)
    return said.kind.build(said.values) if isinstance(said, Given) else said


def _unread(text: str) -> str:
    """Write what was said so that it may be journaled, before anybody knows where in it a code stands."""
    bare = text.strip().removeprefix("/").strip().casefold()
    if "link" in bare:
        return "link"
    return "code" if bare.startswith("code") else stepping.without_codes(text)


def _stranger(account: Account) -> str:
    """Name an account nobody is linked to, without putting the account's id into the journal."""
    told = hashlib.blake2b(f"{account.front}:{account.account_id}".encode(), digest_size=6).hexdigest()
    return PersonId(f"stranger:{told}")
