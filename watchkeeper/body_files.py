"""The files of a body, as `watchkeeper body init` writes them for its owner to read."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from engine.adapters.files import atomic_write, private_folder
from engine.adapters.token_file import private_write
from engine.core.vocabulary.actions import Action, Parameter, Running
from engine.core.vocabulary.units import SECOND_US
from engine.runtime.layout import Layout
from engine.settings.body import BodyFile

_SETTINGS_HEAD = """\
# A body of Watchkeeper: which engine it works for, and what it may use. docs/howto/body.md
# Other keys: authority, proxy, slots, drain_s, protected_branches, sandbox, undo. What may be done stands in
# actions.yaml.
"""
_ACTIONS_HEAD = """\
# All that may ever be done on this machine, and how. What the engine has must say the same, or it is refused.
# The form is that of the engine's own registry: docs/reference/actions.md
"""


def settings_text(settings: BodyFile, workspace: Path | None) -> str:
    """Write what was chosen; what is as usual is left out."""
    chosen = settings.model_dump(mode="json", exclude_defaults=True) | {"engine": settings.engine}
    if workspace is not None:
        chosen["workspace"] = str(workspace)
    return _SETTINGS_HEAD + _yaml(chosen)


def actions_text(actions: Sequence[Action]) -> str:
    """Write actions in the form in which a registry has them."""
    return _ACTIONS_HEAD + _yaml({"actions": {str(action.name): _entry(action) for action in actions}})


def write_body(layout: Layout, settings: str, actions: str, token: str) -> None:
    """Put the files in place. Raises `StorageError`."""
    private_folder(layout.home)
    for name, text in (("body.yaml", settings), ("actions.yaml", actions)):
        with atomic_write(layout.home / name) as file:
            file.write(text.encode())
    private_write(layout.own_token, token.encode() + b"\n")


def _entry(action: Action) -> dict[str, Any]:
    entry: dict[str, Any] = {"summary": action.summary, "kind": action.kind, "risk": action.risk.value}
    if action.parameters:
        entry["parameters"] = {name: _parameter(given) for name, given in action.parameters.items()}
    if action.run is not None:
        entry["run"] = _run(action.run)
    return entry


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {"type": parameter.type}
    if not parameter.required:
        found["required"] = False
    if parameter.nullable:
        found["nullable"] = True
    if parameter.items is not None:
        found["items"] = parameter.items
    if parameter.choices is not None:
        found["choices"] = list(parameter.choices)
    return found


def _run(run: Running) -> dict[str, Any]:
    found: dict[str, Any] = {"runner": run.runner}
    if run.settings:
        found["settings"] = run.settings
    found["timeout_s"] = run.timeout_us / SECOND_US
    if run.sandbox != "auto":
        found["sandbox"] = run.sandbox
    if run.network:
        found["network"] = list(run.network)
    return found


def _yaml(data: Any) -> str:
    writer = YAML()
    writer.width = 110
    text = io.StringIO()
    writer.dump(data, text)
    return text.getvalue()
