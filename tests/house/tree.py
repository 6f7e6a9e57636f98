"""What the house tests read: the project's files, its packages, its modules and their syntax trees."""

from __future__ import annotations

import ast
import functools
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PRODUCT: tuple[str, ...] = tuple(PYPROJECT["tool"]["importlinter"]["root_packages"])
CORE = "engine/core/"
VOCABULARY = "engine/core/vocabulary/"


@dataclass(frozen=True, kw_only=True)
class Module:
    """One Python file: its path from the root of the project, its text and its syntax tree."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; parsed once, for many checks."""
        return ast.parse(self.text, filename=self.path)

    @property
    def dotted(self) -> str:
        """The name it is imported by."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def project_files() -> tuple[Path, ...]:
    """Every file git tracks or would track. A tree without git (an unpacked archive) is read as it lies."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        names = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        skipped = {".git", ".venv", "__pycache__", "build", "dist"}
        names = [path for path in ROOT.rglob("*") if not skipped & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in set(names) if path.is_file()))


@functools.cache
def modules(*prefixes: str) -> tuple[Module, ...]:
    """The Python files below any of these paths, such as `engine/core/`."""
    paths = [(path, path.relative_to(ROOT).as_posix()) for path in project_files() if path.suffix == ".py"]
    return tuple(
        Module(path=name, text=path.read_text()) for path, name in paths if name.startswith(prefixes)
    )


def product_modules() -> tuple[Module, ...]:
    """Every module that ships."""
    return modules(*(f"{room}/" for room in PRODUCT))


def complaints(found_in: Iterable[Module], check: Callable[[Module], list[str]]) -> list[str]:
    """Run one checker over many modules; each complaint names its file."""
    return [f"{module.path}: {complaint}" for module in found_in for complaint in check(module)]


def hold(broken: Iterable[object], reason: str) -> None:
    """Fail with the reason of the rule and every place that breaks it, and without a traceback."""
    if places := [str(place) for place in broken]:
        pytest.fail("\n  ".join([reason, *places]), pytrace=False)


def public_definitions(
    tree: ast.Module,
) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Classes and functions without a leading underscore, and such methods of such classes."""

    def of(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
        for node in body:
            is_definition = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            if is_definition and not node.name.startswith("_"):
                yield node
                if isinstance(node, ast.ClassDef):
                    yield from of(node.body)

    return of(tree.body)
