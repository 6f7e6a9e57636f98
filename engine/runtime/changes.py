"""Changes as the engine takes them: what a person's wish makes of the proposal that is held."""

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from itertools import count
from typing import Any, Final

from msgspec import structs

from engine.core.evident import with_evident
from engine.core.vocabulary.actions import Action, Parameter
from engine.core.vocabulary.ids import ActionName, Digest
from engine.core.vocabulary.proposals import Changed, Impact, Proposal
from engine.core.vocabulary.verdicts import Verdict
from engine.errors import InputError
from engine.ports import JournalReader
from engine.runtime import wire
from engine.runtime.outbox import change_id, proposal_of

_ESTIMATE: Final = {"cost": "cost_usd", "cost_usd": "cost_usd", "files": "files", "api_calls": "api_calls"}


def changed_proposal(
    journal: JournalReader,
    actions: Mapping[ActionName, Action],
    verdict: Verdict,
    request: wire.ChangeHold,
    shown: Digest,
) -> Proposal:
    """Make the proposal that a person puts in the place of a held one. `shown` is what is held now.

    It claims no confidence, for the agent's was in something else. Raises `InputError` when nothing would be
    otherwise, or what is asked for cannot be read.
    """
    old = proposal_of(journal, verdict)
    asked = _read(request, actions.get(verdict.action))
    args, impact = old.args | asked.args, _impact(old.impact, asked)
    if (args, impact) == (old.args, old.impact):
        raise InputError(
            "nothing of it would be otherwise", place=verdict.decision_id, cure="approve it as it is"
        )
    ids = (change_id(verdict, nth) for nth in count(1))
    changed = structs.replace(
        old,
        proposal_id=next(each for each in ids if journal.find(f"proposal:{each}") is None),
        args=args,
        impact=impact,
        confidence=None,
        rationale=request.reason or old.rationale,
        options=(),
        changed=Changed(
            of=verdict.decision_id,
            by=request.by,
            role=request.role,
            digest=shown if request.digest is None else request.digest,
            reason=request.reason,
            stepped_up=request.stepped_up,
        ),
    )
    return with_evident(actions, changed)


def _impact(old: Impact, asked: wire.ChangeHold) -> Impact:
    try:
        return Impact(
            cost_usd=old.cost_usd if asked.cost_usd is None else asked.cost_usd,
            files=old.files if asked.files is None else asked.files,
            api_calls=old.api_calls if asked.api_calls is None else asked.api_calls,
        )
    except ValueError as wrong:
        raise InputError(str(wrong), place=asked.decision_id, cure="give another estimate") from wrong


def _read(request: wire.ChangeHold, action: Action | None) -> wire.ChangeHold:
    """Read what people typed: an argument as the registry says, or else a part of the estimate."""
    parameters = action.parameters if action is not None else {}
    args = dict(request.args)
    estimate: dict[str, Any] = {}
    for name, text in request.texts.items():
        parameter = parameters.get(name)
        if parameter is not None:
            args[name] = _typed(name, text, parameter)
        elif (part := _ESTIMATE.get(name)) is not None:
            estimate[part] = _number(name, text, Decimal if part == "cost_usd" else int)
        else:
            known = ", ".join(parameters) or "no arguments"
            raise InputError(
                f"{action.name if action is not None else 'it'} takes no {name}",
                cure=f"it takes {known}; cost, files and api_calls are its estimate",
            )
    return structs.replace(request, args=args, **estimate)


def _typed(name: str, text: str, parameter: Parameter) -> Any:
    match parameter.type:
        case "integer":
            return _number(name, text, int)
        case "number" | "boolean" | "list" | "object" | "any":
            try:
                return json.loads(text)
            except ValueError:
                # Whether a word will do says the registry.
                return text
        case _:
            return text


def _number(name: str, text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text)
    except (ValueError, InvalidOperation) as wrong:
        raise InputError(f"{name}: {text!r} is no number", cure=f"say {name}=3") from wrong
