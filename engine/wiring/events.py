"""events.yaml, checked against the registry; and the secrets of its sources."""

from collections.abc import Mapping
from pathlib import Path

from engine.adapters.secret_file import read_secret
from engine.adapters.yaml_files import read_yaml
from engine.errors import PolicyError
from engine.runtime.layout import Layout
from engine.settings.events import EventsFile, FromEvent, ProposeSection
from engine.settings.policy import ActionEntry, ActionsFile
from engine.wiring.policies import SHIPPED_CONFIG

_GUIDE = "docs/howto/events.md"


def read_events(config: Path) -> EventsFile:
    """Read events.yaml; the shipped one where a folder has none. Raises `InputError` and `PolicyError`."""
    own = config / "events.yaml"
    document = read_yaml(own if own.exists() else SHIPPED_CONFIG / "events.yaml")
    file = document.checked(EventsFile)
    registry = config / "actions.yaml"
    actions = (
        read_yaml(registry if registry.exists() else SHIPPED_CONFIG / "actions.yaml")
        .checked(ActionsFile)
        .actions
    )
    for place, section in [
        *((document.place("rules", nth, "propose"), rule.propose) for nth, rule in enumerate(file.rules)),
        *(
            (document.place("queries", name, "propose"), query.propose)
            for name, query in file.queries.items()
        ),
    ]:
        if section is not None:
            _check(place, section, actions)
    return file


def _check(place: str, section: ProposeSection, actions: Mapping[str, ActionEntry]) -> None:
    action = actions.get(section.action)
    if action is None:
        raise PolicyError(
            f"{section.action!r} is not in the registry", place=place, cure="name one of actions.yaml"
        )
    if action.run is None:
        raise PolicyError(
            f"{section.action!r} has no `run`: nobody would do it",
            place=place,
            cure="name an action with `run`",
        )
    parameters = action.parameters
    if unknown := section.args.keys() - parameters.keys():
        raise PolicyError(
            f"{section.action} takes no {min(unknown)!r}",
            place=place,
            cure=f"it takes {', '.join(parameters)}",
        )
    missing = {name for name, each in parameters.items() if each.required} - section.args.keys()
    if missing:
        raise PolicyError(f"{section.action} needs {min(missing)!r}", place=place, cure="add it to args")
    for name, given in section.args.items():
        if isinstance(given, FromEvent) and parameters[name].type in {"list", "object"}:
            raise PolicyError(
                f"{name!r} is a {parameters[name].type}, and events give plain values",
                place=place,
                cure="write it out",
            )


def secrets_of(layout: Layout, source: str) -> list[str]:
    """Return the secrets of a source, the one in force first. Raises `InputError` when there is none."""
    path = layout.channels / f"event-{source}"
    found = [read_secret(path, guide=_GUIDE)]
    old = path.with_name(f"{path.name}.old")
    return [*found, read_secret(old, guide=_GUIDE)] if old.exists() else found
