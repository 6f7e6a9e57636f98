"""Validation: the action must be in the registry and every argument must be what the registry says."""

from collections.abc import Mapping
from typing import Any

from engine.core.vocabulary.actions import Action, Parameter, ParameterType
from engine.core.vocabulary.ids import ActionName
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.verdicts import Answer

GATE = "validation"
_SHOWN = 60
# Past this many mistakes an agent does not need the next one, and a reason without end would fill the
# journal.
_MOST = 12
_VALID = Answer(gate=GATE, ruling="allow", rule="actions", owner="captain")

# By exact type: `True` is an `int` to Python, and a flag where a count belongs is a mistake worth catching.
_PYTHON_TYPES: dict[ParameterType, tuple[type, ...]] = {
    "string": (str,),
    "path": (str,),
    "command": (str,),
    "email": (str,),
    "url": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}
_SIMPLE = {name: types for name, types in _PYTHON_TYPES.items() if name not in ("email", "url")}
"""Those of which any value fits that has the right Python type."""
_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", list: "list", dict: "object"}


def judge(actions: Mapping[ActionName, Action], proposal: Proposal) -> Answer:
    """Deny an unknown action, and a missing, extra or ill-typed argument, naming field and expected type."""
    action = actions.get(proposal.action)
    if action is None:
        return _denied(
            f"the action {_shown(proposal.action)} is not in the registry", f"actions.{proposal.action}"
        )
    parameters, args = action.parameters, proposal.args
    wrong = [
        f"{name}: {complaint}"
        for name, parameter in parameters.items()
        # Most arguments fit at first sight, which spares them the call.
        if (
            type(args.get(name)) not in _SIMPLE.get(parameter.type, ())
            or parameter.items is not None
            or parameter.choices is not None
        )
        and (complaint := _complaint(parameter, args, name))
    ]
    if len(args) > len(parameters) or not args.keys() <= parameters.keys():
        wrong += [
            f"{_shown(name)[1:-1]}: the action takes no such argument"
            for name in sorted(args.keys() - parameters.keys())
        ]
    if not wrong:
        return _VALID
    if len(wrong) > _MOST:
        wrong[_MOST:] = [f"and {len(wrong) - _MOST} more"]
    return _denied("; ".join(wrong), f"actions.{action.name}.parameters")


def _complaint(parameter: Parameter, args: Mapping[str, Any], name: str) -> str:
    if name not in args:
        return f"expected {_expected(parameter)}, but it is missing" if parameter.required else ""
    value = args[name]
    if value is None:
        fits = parameter.nullable or parameter.type == "any"
        return "" if fits else f"expected {_expected(parameter)}, got null"
    if not _fits(parameter.type, value):
        return f"expected {_expected(parameter)}, got {_NAMES[type(value)]} {_shown(value)}"
    if (items := parameter.items) is not None:
        for position, item in enumerate(value):
            if type(item) not in _SIMPLE.get(items, ()) and not _fits(items, item):
                kind = "null" if item is None else _NAMES[type(item)]
                return f"expected {items} at position {position}, got {kind} {_shown(item)}"
    # A boolean equals a number to Python, so a choice must match in type as well.
    if parameter.choices is not None and (value, type(value)) not in [
        (c, type(c)) for c in parameter.choices
    ]:
        return f"expected {_expected(parameter)}, got {_shown(value)}"
    return ""


def _fits(expected: ParameterType, value: Any) -> bool:
    if expected == "any":
        return True
    if type(value) not in _PYTHON_TYPES[expected]:
        return False
    if expected == "email":
        name, _, domain = value.rpartition("@")
        return bool(name) and "." in domain and " " not in value
    if expected == "url":
        scheme, _, rest = value.partition("://")
        return bool(rest) and scheme.isalpha() and " " not in value
    return True


def _expected(parameter: Parameter) -> str:
    if parameter.choices is not None:
        return "one of " + ", ".join(str(choice) for choice in parameter.choices)
    return f"{parameter.type} of {parameter.items}" if parameter.items else parameter.type


def _shown(value: Any) -> str:
    """Quote what an agent sent, short enough that it cannot drown the reason."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 2] + "…" + text[0]


def _denied(reason: str, rule: str) -> Answer:
    return Answer(gate=GATE, ruling="deny", reason=reason, rule=rule, owner="captain")
