"""The engine in the hook's own process, where no service runs: on the same journal, one call at a time."""

import contextlib
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from bot.hooks.asking import Said
from bot.hooks.kept import Kept
from engine.adapters.fence_files import FileFence
from engine.adapters.file_lock import changing_alone
from engine.adapters.files import private_folder
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.kept_policy import keep, policy_key, read_kept
from engine.adapters.known_secrets import KnownSecrets
from engine.adapters.leak_rules import SHIPPED_RULES, read_rules
from engine.adapters.leaks import Scanner
from engine.adapters.machine_time import now_us
from engine.adapters.scrubber import Scrubber
from engine.adapters.token_file import TokenFile, may_propose
from engine.core.decide import in_order
from engine.core.policy import Policy
from engine.core.tool_calls import Wish
from engine.core.vocabulary.ids import ActionName, AgentId, CapabilityId, EpisodeId, PersonId, ProposalId
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.verdicts import RULING_RANK, Wait
from engine.errors import Forbidden, InputError, JournalBusy
from engine.ports import Holder
from engine.runtime.embedded import Embedded
from engine.runtime.layout import Layout
from engine.runtime.proposing import Reached

# Hooks wait for each other in a queue of their own; this is for whoever else holds the journal.
_POLL_S: Final = 0.02


class OwnEngine:
    """The embedded engine of one state folder. Holds the journal's lock until it is closed."""

    def __init__(self, home: Path, config: Path, token: str, rules: str, patience_s: float) -> None:
        """Open everything. Raises `Forbidden` for a wrong token, and any error of ours.

        `patience_s` is how long others may hold the journal; past it `JournalBusy` is raised.
        """
        layout = Layout(home)
        self._holder = _holder(layout, token)
        kept = Kept(home)
        policy = kept_policy(config, kept.policy)
        scrubber = _scrubber(policy, config / "policies" / rules if rules else SHIPPED_RULES, layout)
        private_folder(layout.home)
        with contextlib.ExitStack() as undo:
            # In a queue: to ask for the journal again and again would cost those their time who have it.
            undo.enter_context(changing_alone(kept.folder / "turn"))
            self._journal = _opened(layout.journal, patience_s)
            undo.callback(self._journal.close)
            self._engine = Embedded(policy, scrubber, self._journal, FileFence(layout.stops), now_us)
            self._open = undo.pop_all()

    def propose(self, wish: Wish, *, capability: str, episode: str, rationale: str, key: str) -> Said:
        """Propose something. Raises `Forbidden`, `InputError`, `JournalError` and `StorageError`."""
        if not may_propose(self._holder, CapabilityId(capability)):
            raise Forbidden(
                f"this token does not cover the capability {capability}",
                cure=f"it covers {', '.join(self._holder.capabilities)}; make another for more",
            )
        owner = self._holder.owner
        try:
            proposal = Proposal(
                proposal_id=ProposalId(f"{self._holder.name}:{key}"),
                agent=AgentId(self._holder.name),
                capability=CapabilityId(capability),
                action=ActionName(wish.action),
                args=wish.args,
                episode=EpisodeId(episode),
                impact=Impact(cost_usd=Decimal(wish.cost_usd), files=wish.files, api_calls=wish.api_calls),
                confidence=wish.confidence,
                rationale=rationale,
                owner=msgspec.UNSET if owner is None else PersonId(owner),
            )
        except ValueError as wrong:
            raise InputError(str(wrong), cure="mend its line in hooks.yaml") from wrong
        return _said(self._engine.propose(proposal))

    def known(self, proposal_id: str) -> Said | None:
        """Say where an earlier proposal stands; `None` when there is none."""
        try:
            return _said(self._engine.known(ProposalId(proposal_id)))
        except InputError:
            return None

    def stopped(self, wish: Wish, capability: str) -> str:
        """Say which stop covers it now, looking at the fence itself; empty when none does."""
        return self._engine.stopped(
            AgentId(self._holder.name), CapabilityId(capability), ActionName(wish.action)
        )

    def report(self, proposal_id: str, *, ok: bool, detail: str, at_prompt: bool) -> None:
        """Say what came of something. Raises as `Embedded.report` does."""
        agent = AgentId(self._holder.name)
        self._engine.report(ProposalId(proposal_id), agent, ok=ok, detail=detail, at_prompt=at_prompt)

    def close(self) -> None:
        """Write state down where that is due, and let the next one in."""
        with self._open:
            self._engine.tidy()


def kept_policy(config: Path, kept: Path) -> Policy:
    """Return the policy of a configuration folder, from what was kept of it where that still fits.

    Raises `InputError` and `PolicyError` as reading it does.
    """
    files = _sources(config)
    key = policy_key(files)
    policy = read_kept(kept, key)
    if policy is None:
        # Slow, and seldom: the first call, and the first after a change.
        from engine.wiring.policies import build_policy, read_policy

        policy = build_policy(read_policy(config / "policies"))
        keep(kept, key, policy)
    return policy


def _scrubber(policy: Policy, rules: Path, layout: Layout) -> Scrubber:
    """Make what everything is looked through with on its way into the journal, as the service does."""
    places = [layout.secrets, layout.channels, layout.chat, layout.link_secret]
    scanner = Scanner(read_rules(rules), KnownSecrets(places)())
    return Scrubber(policy.privacy, lambda: scanner)


def _sources(config: Path) -> Iterable[Path]:
    return [*sorted((config / "policies").glob("*.yaml")), config / "actions.yaml"]


def _holder(layout: Layout, token: str) -> Holder:
    holder = TokenFile(layout.tokens).holder_of(token)
    if holder is None or holder.kind != "agent":
        raise Forbidden(
            "the hook's token is wrong, revoked or past its time",
            cure="watchkeeper hook install makes another",
        )
    return holder


def _opened(path: Path, patience_s: float, now_s: Callable[[], float] = time.monotonic) -> SqliteJournal:
    until = now_s() + patience_s
    while True:
        try:
            return SqliteJournal(path)
        except JournalBusy:
            if now_s() >= until:
                raise
            time.sleep(_POLL_S)


def _said(came: Reached) -> Said:
    verdict = came.verdict
    against = [answer for answer in in_order(verdict) if answer.ruling != "allow" or answer.shadowed]
    against.sort(key=lambda answer: -RULING_RANK[answer.ruling])
    return Said(
        proposal_id=verdict.proposal_id,
        decision_id=verdict.decision_id,
        word=verdict.word,
        status=came.status,
        shadowed=verdict.shadowed,
        reasons=tuple(answer.reason for answer in against if answer.reason),
        askable=bool(verdict.waits) and all(map(_is_askable, verdict.waits)),
        policy_hash=verdict.policy_hash,
    )


def _is_askable(wait: Wait) -> bool:
    return wait == Wait(kind="person", role="responder")
