"""Evident impact: what a proposal's own arguments show that it touches, whatever its agent says."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from engine.core.vocabulary.actions import Action
from engine.core.vocabulary.arguments import plain_path
from engine.core.vocabulary.ids import ActionName
from engine.core.vocabulary.proposals import Impact, Proposal


def with_evident(actions: Mapping[ActionName, Action], proposal: Proposal) -> Proposal:
    """Give a proposal whose impact is no less than what its arguments show.

    Limits, blast radius and votes go by the impact, and an agent that states none would pass them all. What
    it states beyond that is its word, as is what no argument tells: the cost, and what a command touches.
    """
    action = actions.get(proposal.action)
    if action is None:
        return proposal
    impact = proposal.impact
    files, api_calls = files_named(action, proposal.args), requests_made(action)
    if files <= impact.files and api_calls <= impact.api_calls:
        return proposal
    evident = Impact(
        cost_usd=impact.cost_usd, files=max(files, impact.files), api_calls=max(api_calls, impact.api_calls)
    )
    return replace(proposal, impact=evident)


def files_named(action: Action, args: Mapping[str, Any]) -> int:
    """Count the files a write names: each path among its arguments once. A read changes none."""
    if action.kind == "read":
        return 0
    named: set[str] = set()
    for name, parameter in action.parameters.items():
        value = args.get(name)
        if parameter.type == "path" and isinstance(value, str):
            named.add(plain_path(value))
        elif parameter.items == "path" and isinstance(value, list):
            named.update(plain_path(each) for each in value if isinstance(each, str))
    return len(named)


def requests_made(action: Action) -> int:
    """Count the calls to other systems that performing it takes: one where the http runner does."""
    return 1 if action.run is not None and action.run.runner == "http" else 0
