"""Modals, and the triggers that allow a bot to open one: short-lived and good for one use."""

from dataclasses import dataclass
from typing import Final

from simulator.fakes.fake_slack.activity import Activity
from simulator.fakes.fake_slack.refused import Refused
from simulator.fakes.fake_slack.rules import Fault, refusal, view_faults
from simulator.fakes.fake_slack.workspace import TEAM_ID, Json, View, Workspace

TRIGGER_S: Final = 3.0
"""How long a trigger is good for."""
_DEEPEST: Final = 3


@dataclass(slots=True, kw_only=True)
class Trigger:
    """What a person did, as leave to open a modal before them."""

    account: str
    at: float
    from_modal: bool
    is_used: bool = False


def with_ids(workspace: Workspace, blocks: list[Json]) -> list[Json]:
    """Return blocks as Slack keeps them: each with an id, and each control too."""
    kept = []
    for given in blocks:
        block = {**given, "block_id": given.get("block_id") or workspace.new_id("b")}
        for key in ("accessory", "element"):
            if isinstance(block.get(key), dict) and block[key].get("type") != "image":
                block[key] = {"action_id": workspace.new_id("a"), **block[key]}
        if block.get("type") == "actions":
            block["elements"] = [{"action_id": workspace.new_id("a"), **e} for e in block["elements"]]
        kept.append(block)
    return kept


class Modals:
    """The modals that stand before people, up to three on one another."""

    def __init__(self, *, workspace: Workspace, activity: Activity, problems: list[str]) -> None:
        self._workspace = workspace
        self._activity = activity
        self._problems = problems
        self._triggers: dict[str, Trigger] = {}
        self._stacks: dict[str, list[str]] = {}

    # ------------------------------------------------------------ triggers

    def new_trigger(self, account: str, *, from_modal: bool = False) -> str:
        """Return a trigger for something a person did just now."""
        name = f"{self._workspace.new_id('')}.{TEAM_ID}.{self._workspace.new_id('')}"
        self._triggers[name] = Trigger(account=account, at=self._workspace.clock(), from_modal=from_modal)
        return name

    def _redeem(self, name: str) -> Trigger:
        trigger = self._triggers.get(name)
        if trigger is None:
            raise Refused("invalid_trigger_id", problem=f"{name!r} was never a trigger")
        if trigger.is_used:
            raise Refused("exchanged_trigger_id")
        if self._workspace.clock() - trigger.at > TRIGGER_S:
            raise Refused("expired_trigger_id")
        trigger.is_used = True
        return trigger

    # ------------------------------------------------------------ what the bot asks for

    def open(self, trigger_id: str, content: Json) -> View:
        """Open a modal before the person a trigger is of."""
        self._check(content)
        trigger = self._redeem(trigger_id)
        self._forget(self._stacks.pop(trigger.account, []))
        return self._put(trigger.account, content)

    def push(self, trigger_id: str, content: Json) -> View:
        """Put a modal on top of the one a trigger came from."""
        self._check(content)
        trigger = self._redeem(trigger_id)
        if not trigger.from_modal or not self._stacks.get(trigger.account):
            raise Refused("not_found", problem="views.push from outside a modal")
        return self.put_on_top(trigger.account, content)

    def put_on_top(self, account: str, content: Json) -> View:
        """Put one more modal before a person."""
        if len(self._stacks[account]) >= _DEEPEST:
            raise Refused("push_limit_reached", problem=f"more than {_DEEPEST} modals on one another")
        return self._put(account, content)

    def update(
        self, content: Json, *, view_id: str | None, external_id: str | None = None, hash_: str | None = None
    ) -> View:
        """Exchange what stands in a modal."""
        self._check(content)
        for view in self._workspace.views.values():
            external = view.content.get("external_id")
            if view.id == view_id or (external_id and external == external_id):
                break
        else:
            raise Refused("not_found")
        if hash_ and hash_ != view.hash:
            raise Refused("hash_conflict")
        view.content, view.hash, view.errors = self._kept(content), self._workspace.new_id("h"), {}
        self._activity.open(view.id)
        return view

    def _check(self, content: Json) -> None:
        faults: list[Fault] = view_faults(content)
        if faults:
            details = [fault.detail for fault in faults]
            self._problems += [f"a view: {detail}" for detail in details]
            if error := refusal(faults):
                raise Refused(error, response_metadata={"messages": [f"[ERROR] {one}" for one in details]})

    def _kept(self, content: Json) -> Json:
        return {**content, "blocks": with_ids(self._workspace, content["blocks"])}

    def _put(self, account: str, content: Json) -> View:
        stack = self._stacks.setdefault(account, [])
        name = self._workspace.new_id("V")
        view = View(
            id=name,
            account=account,
            content=self._kept(content),
            hash=self._workspace.new_id("h"),
            root=stack[0] if stack else name,
            previous=stack[-1] if stack else None,
        )
        stack.append(name)
        self._workspace.views[name] = view
        self._activity.open(name)
        return view

    # ------------------------------------------------------------ what people see

    def top(self, account: str) -> View | None:
        """Return the modal a person has before them."""
        stack = self._stacks.get(account)
        return self._workspace.views[stack[-1]] if stack else None

    def complain(self, view: View, errors: dict[str, str]) -> None:
        """Write under fields what the bot says is wrong with them."""
        view.errors = errors
        self._activity.open(view.id)

    def close(self, account: str, *, everything: bool) -> list[View]:
        """Take the top modal away, or all; return those that went, the topmost first."""
        stack = self._stacks.get(account, [])
        gone = list(reversed(stack)) if everything else stack[-1:]
        views = [self._workspace.views[name] for name in gone]
        self._stacks[account] = stack[: len(stack) - len(gone)]
        self._forget(gone)
        return views

    def _forget(self, names: list[str]) -> None:
        for name in names:
            self._workspace.views.pop(name, None)
