"""The tables of hooks.yaml, checked against the registry: what calls of coding agents are proposed as."""

from pathlib import Path

import msgspec

from engine.adapters.yaml_files import read_yaml
from engine.core.tool_calls import Table
from engine.errors import PolicyError
from engine.settings.hooks import HooksFile
from engine.settings.policy import ActionsFile


def read_tables(hooks: Path, actions_file: Path) -> dict[str, Table]:
    """Read and check hooks.yaml: every action must be in the registry, and the agent's own to perform.

    Raises `InputError` and `PolicyError` naming the place and the cure.
    """
    document = read_yaml(hooks)
    file = document.checked(HooksFile)
    actions = read_yaml(actions_file).checked(ActionsFile).actions
    for name, agent in file.agents.items():
        for nth, line in enumerate((*agent.calls, agent.otherwise)):
            here: tuple[str | int, ...] = ("calls", nth) if nth < len(agent.calls) else ("otherwise",)
            place = document.place("agents", name, *here)
            if line.action not in actions:
                raise PolicyError(
                    f"{line.action!r} is not in the registry",
                    place=place,
                    cure="copy the actions tool.* from the shipped actions.yaml, or name another",
                )
            if actions[line.action].run is not None:
                raise PolicyError(
                    f"{line.action!r} has a `run`, so the engine would do it as well as the agent",
                    place=place,
                    cure="name an action without `run`, such as one of tool.*",
                )
            if unknown := line.arguments.keys() - actions[line.action].parameters.keys():
                raise PolicyError(
                    f"{line.action} takes no {min(unknown)!r}",
                    place=place,
                    cure=f"it takes {', '.join(actions[line.action].parameters)}",
                )
    return {
        name: msgspec.convert(agent.model_dump(mode="json"), Table) for name, agent in file.agents.items()
    }
