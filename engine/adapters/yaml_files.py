"""YAML files, read so that every later complaint can name the line it is about."""

import warnings
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from engine.errors import InputError, PolicyError

_LARGEST_BYTES = 1_000_000
# Aliases can make a small file stand for a huge one; no honest policy has this many values.
_MOST_VALUES = 100_000

_SHOWN = 80

Model = TypeVar("Model", bound=BaseModel)


class Document:
    """One parsed file: plain data, and where each part of it stands."""

    def __init__(self, path: Path, data: Any) -> None:
        """Keep the parsed tree; `data` is its plain copy."""
        self.path = path
        self._tree = data
        self._values = 0
        self.data = self._plain(data)

    def place(self, *steps: str | int) -> str:
        """Name file and line of the value at these keys and positions, or of its nearest parent."""
        line, tree = 0, self._tree
        for step in steps:
            if isinstance(tree, CommentedMap) and step in tree:
                line = tree.lc.key(step)[0]
            elif isinstance(tree, CommentedSeq) and isinstance(step, int) and step < len(tree):
                line = tree.lc.item(step)[0]
            else:
                break
            tree = tree[step]
        return f"{self.path}:{line + 1}"

    def checked(self, model: type[Model]) -> Model:
        """Read the data as a settings model. Raises `PolicyError` with place and cure."""
        try:
            return model.model_validate(self.data)
        except ValidationError as invalid:
            raise self._complaint(model, invalid) from None

    def _complaint(self, model: type[BaseModel], invalid: ValidationError) -> PolicyError:
        # The deepest mistake is the most exact one: a union complains about each of its members.
        error = max(invalid.errors(), key=lambda e: (e["type"] == "extra_forbidden", len(e["loc"])))
        steps = error["loc"]
        name = ".".join(map(str, steps)) or "the file"
        cure = None
        if error["type"] == "extra_forbidden":
            message = f"unknown key {name!r}"
            known = _keys_beside(model, steps)
            cure = f"known here: {', '.join(known)}" if known else "remove it"
        elif error["type"] == "missing":
            message, cure = f"{name!r} is missing", "add it; every key is explained in the shipped file"
        else:
            message = f"{name}: {error['msg'].removeprefix('Value error, ')}"
            if error["type"] not in ("value_error", "assertion_error"):
                message += f", not {_short(error['input'])}"
        return PolicyError(message, place=self.place(*steps), cure=cure)

    def _plain(self, value: Any) -> Any:
        self._values += 1
        if self._values > _MOST_VALUES:
            raise PolicyError(
                f"more than {_MOST_VALUES} values", place=str(self.path), cure="remove the nested aliases"
            )
        if isinstance(value, dict):
            return {key: self._plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._plain(inner) for inner in value]
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)
        return value


def read_yaml(path: Path) -> Document:
    """Parse one file. Raises `InputError` when it cannot be read, `PolicyError` when it is not YAML."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise PolicyError(f"larger than {_LARGEST_BYTES} bytes", place=str(path), cure="split it")
        text = path.read_text(encoding="utf-8")
    except OSError as failure:
        raise InputError(
            f"cannot be read: {failure.strerror}", place=str(path), cure="check the path and its permissions"
        ) from failure
    except UnicodeDecodeError as failure:
        raise PolicyError("not UTF-8 text", place=str(path), cure="save it as UTF-8") from failure
    try:
        with warnings.catch_warnings():
            # YAML lets an anchor be used again, and a policy is not the place to quarrel about it.
            warnings.simplefilter("ignore")
            tree = YAML(typ="rt").load(text)
    except (YAMLError, ValueError, LookupError) as failure:
        # A date in month 13 or a number of ten thousand digits is a plain Python error to the parser.
        raise _unreadable(path, failure) from failure
    except RecursionError as failure:
        raise PolicyError("nested too deeply", place=str(path), cure="flatten it") from failure
    if not isinstance(tree, dict):
        raise PolicyError(
            "not a mapping of keys to values", place=f"{path}:1", cure="begin with `key: value`"
        )
    return Document(path, tree)


def _short(value: Any) -> str:
    """Show what stands in the file, one line of it."""
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _unreadable(path: Path, failure: Exception) -> PolicyError:
    mark = getattr(failure, "problem_mark", None)
    problem = str(getattr(failure, "problem", None) or failure).splitlines()[0]
    place = f"{path}:{mark.line + 1}" if mark is not None else str(path)
    cure = "each key may stand once" if "duplicate" in problem else "check indentation and quotes"
    return PolicyError(f"not valid YAML: {problem}", place=place, cure=cure)


def _keys_beside(model: type[BaseModel], steps: tuple[str | int, ...]) -> list[str]:
    """Follow a path of keys through nested models to the ones allowed where it ends."""
    fields = _fields(model)
    for step in steps[:-1]:
        if step in fields:
            fields = _fields(_model_in(fields[step].annotation))
    return sorted(map(str, fields))


def _fields(model: Any) -> dict[str | int, Any]:
    """Return the keys of a model as they stand in a file: a word of Python may be one."""
    return {field.alias or name: field for name, field in getattr(model, "model_fields", {}).items()}


def _model_in(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        if (found := _model_in(inner)) is not None:
            return found
    return None
