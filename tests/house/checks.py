"""The checkers of the house tests: pure functions from text or a syntax tree to a list of complaints.

They are kept apart from the tests so that each can also be shown a bad snippet and be seen to complain.
"""

from __future__ import annotations

import ast
import io
import re
import shlex
import sys
import tokenize
from collections.abc import Callable, Iterable

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from tests.house.tree import public_definitions

# ---------------------------------------------------------------- purity of the core

IMPURE_MODULES = frozenset({
    "asyncio", "builtins", "concurrent", "ctypes", "fcntl", "glob", "http", "importlib", "io", "logging",
    "mmap", "multiprocessing", "os", "pathlib", "platform", "queue", "random", "sched", "secrets", "select",
    "selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile",
    "threading", "time", "urllib", "uuid",
})  # fmt: skip
OTHER_PEOPLES_CODE_ALLOWED = frozenset({"msgspec", "re2"})
IMPURE_CALLS = {
    "open": "touches the machine",
    "input": "touches the machine",
    "print": "touches the machine",
    "breakpoint": "touches the machine",
    "eval": "runs code that is data",
    "exec": "runs code that is data",
    "__import__": "imports behind the contracts' back",
    "hash": "differs between two runs of Python (hash seed); use hashlib",
    "id": "is an address, different in every run",
}
CLOCK_METHODS = frozenset({"now", "utcnow", "today", "fromtimestamp", "perf_counter", "monotonic"})


def impurities(tree: ast.Module) -> list[str]:
    """Name everything in a core module that reads the clock, chance, the machine or the event loop."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, why) for alias in node.names if (why := _import_fault(alias.name))]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                found.append((node.lineno, "relative import: write where it comes from"))
            elif why := _import_fault(node.module or ""):
                found.append((node.lineno, why))
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                found.append((node.lineno, f"{node.func.id}() {IMPURE_CALLS[node.func.id]}"))
            elif _reads_the_clock(node):
                found.append((node.lineno, "reads the clock; time arrives as a fact"))
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append((node.lineno, "waits; the runtime waits, the core decides"))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            found.append((node.lineno, "rebinds a name outside its function; state is passed and returned"))
    return [f"line {line}: {why}" for line, why in sorted(set(found))]


def _import_fault(name: str) -> str | None:
    root = name.partition(".")[0]
    if root == "engine":
        return None
    if root in IMPURE_MODULES:
        return f"imports {root}; time, chance, ids and files arrive in the core as data"
    if root not in sys.stdlib_module_names and root not in OTHER_PEOPLES_CODE_ALLOWED:
        return (
            f"imports {root}; the core may use {', '.join(sorted(OTHER_PEOPLES_CODE_ALLOWED))} and no other"
        )
    return None


def _reads_the_clock(call: ast.Call) -> bool:
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in CLOCK_METHODS):
        return False
    # fromtimestamp(x, UTC) is arithmetic; without a zone it reads the machine's.
    return call.func.attr != "fromtimestamp" or len(call.args) + len(call.keywords) < 2


# ---------------------------------------------------------------- shape of every module


def unfinished(tree: ast.Module, text: str) -> list[str]:
    """Name what a reader would take for unfinished: marks in comments or docstrings, and stub bodies."""
    found = [
        (number, f"{mark.group()} left behind: finish it, or say it in the CHANGELOG")
        for number, line in enumerate(text.splitlines(), 1)
        if (mark := re.search(r"\b(TODO|FIXME|XXX)\b", line))
    ]
    found += [
        (node.lineno, "NotImplementedError: leave it out, or make it a port (Protocol)")
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    return [f"line {line}: {why}" for line, why in sorted(found)]


def silencers(text: str) -> list[str]:
    """Name each `type: ignore` or `noqa` without its code and its reason, and each bare `except:`."""
    found = []
    # Most files silence nothing, and taking one apart takes long.
    worth_it = re.search(r"type:\s*ignore|noqa", text, re.IGNORECASE)
    for token in tokenize.generate_tokens(io.StringIO(text).readline) if worth_it else ():
        if token.type != tokenize.COMMENT:
            continue
        comment = token.string
        if re.search(r"type:\s*ignore", comment):
            if not re.search(r"type: ignore\[[\w, -]+\]", comment):
                found.append((token.start[0], "type: ignore without its code in brackets"))
            elif not re.search(r"type: ignore\[[^]]*\]\s+# \w", comment):
                found.append((token.start[0], "type: ignore without its reason (`# type: ignore[x]  # why`)"))
        if re.search(r"#\s*noqa", comment, re.IGNORECASE):
            if not re.search(r"# noqa: [A-Z]+\d+", comment):
                found.append((token.start[0], "noqa without its code"))
            elif not re.search(r"# noqa: [A-Z0-9, ]+?(\s+(#|[-–])|\s*,?\s+[a-z]).*\w", comment):
                found.append((token.start[0], "noqa without its reason (`# noqa: X100 - why`)"))
    found += [
        (node.lineno, "bare except: also catches Ctrl-C; name what can happen")
        for node in (ast.walk(ast.parse(text)) if re.search(r"except\s*:", text) else ())
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    return [f"line {line}: {why}" for line, why in sorted(found)]


def prints(tree: ast.Module) -> list[str]:
    """Name each call of print."""
    return [
        f"line {node.lineno}: print"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def undocumented(tree: ast.Module) -> list[str]:
    """Name each public class, function or method without a docstring, and the module if it has none."""
    found = []
    if tree.body and not ast.get_docstring(tree):
        found.append("line 1: the module itself")
    found += [
        f"line {node.lineno}: {node.name}"
        for node in public_definitions(tree)
        if not ast.get_docstring(node) and not _overridden_elsewhere(node)
    ]
    return found


def _overridden_elsewhere(node: ast.AST) -> bool:
    return any(getattr(d, "id", getattr(d, "attr", "")) == "override" for d in node.decorator_list)


# ---------------------------------------------------------------- words

# Word in a name -> the word of the glossary (docs and DESIGN use one word for one meaning).
SYNONYMS = {
    "Event": "fact",
    "Suggestion": "proposal",
    "Recommendation": "proposal",
    "Judgement": "verdict",
    "Judgment": "verdict",
    "Guard": "gate",
    "Guardrail": "gate",
    "Validator": "gate",
    "Operation": "action",
    "Incident": "episode",
    "Conversation": "episode",
    "User": "person",
    "Human": "person",
    "Operator": "person",
    "Ledger": "journal",
    "Audit": "journal",
    "Tape": "recording",
    "Tripwire": "fence",
    "Baseline": "incumbent",
    "Champion": "incumbent",
    "Alert": "escalation",
    "Plugin": "adapter",
    "Deployment": "rollout",
}


def synonyms(tree: ast.Module, *, words: dict[str, str] = SYNONYMS) -> list[str]:
    """Name each public class or function whose name uses a synonym of a glossary word."""
    found = []
    for node in public_definitions(tree):
        parts = {part.capitalize() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", node.name)}
        found += [
            f"line {node.lineno}: {node.name} says {part}; our word is {word}"
            for part in sorted(parts)
            if (word := words.get(part) or words.get(part.removesuffix("s")))
        ]
    return found


def imported_roots(tree: ast.Module) -> set[str]:
    """Name the top-level packages a module imports."""
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


def shadowing(paths: Iterable[str], roots: set[str]) -> list[str]:
    """Name each module or folder of ours called like a package that we import from elsewhere."""
    found = set()
    for path in paths:
        for part in path.removesuffix(".py").split("/")[1:]:
            if part in roots:
                found.add(f"{path}: `{part}` is also a package we import")
    return sorted(found)


# ---------------------------------------------------------------- paths of one machine

# An absolute path below one of these is somebody's desk; so are an index's address and its flags. Examples
# of protected paths (/etc, /root/.ssh, /home/anyone) are policy, and stay free.
MACHINE_PATH = re.compile(
    r"""(?<![\w.*}\-$])/(?:work|farm|tmp|opt/pypi|opt/wheels|Users)/[\w.]
    |/root/\.(?:pyenv|cache|local)
    |(?:^|\s)--(?:extra-)?index-url\b|(?:^|\s)--find-links\b""",
    re.VERBOSE | re.MULTILINE,
)


def machine_paths(text: str) -> list[str]:
    """Name each line with a path or a package index that exists on one machine only."""
    return [
        f"line {number}: {line.strip()[:100]}"
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line)
    ]


# ---------------------------------------------------------------- configuration


def uncommented_keys(text: str) -> list[str]:
    """Name each YAML key that its file never explains.

    A key is explained by a comment on its line, by one right above it, or by any comment of the file with
    that word in it. A comment on a block speaks for the plain values in it. A name that people give to an
    entry is explained by the entry's own `summary` or `type`. A key that repeats needs all this once.
    """
    lines = text.splitlines()
    words = set(re.findall(r"[\w.-]*\w", "\n".join(map(_comment, lines))))
    first_line: dict[str, int] = {}
    explained: set[str] = set()
    for key, line, block_line, names_itself in _keys(YAML(typ="rt").compose(text)):
        first_line.setdefault(key, line)
        in_block = block_line is not None and _has_comment(lines, block_line)
        if key in words or names_itself or in_block or _has_comment(lines, line):
            explained.add(key)
    return [f"line {line + 1}: {key}" for key, line in first_line.items() if key not in explained]


def _comment(line: str) -> str:
    bare = re.sub(r"'[^']*'|\"(?:\\.|[^\"\\])*\"", lambda quoted: "_" * len(quoted.group()), line)
    mark = re.search(r"(?:^|\s)#.*\w", bare)
    return line[mark.start() :] if mark else ""


def _has_comment(lines: list[str], line: int) -> bool:
    above = lines[line - 1].strip() if line else ""
    return bool(_comment(lines[line])) or above.startswith("#")


def _keys(node: Node | None, block_line: int | None = None) -> Iterable[tuple[str, int, int | None, bool]]:
    """Walk (key, its line, the line of the block it is a plain value of, whether its entry explains it)."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            line = key.start_mark.line
            is_entry = isinstance(value, MappingNode)
            inner = {str(name.value) for name, _ in value.value} if is_entry else set()
            is_plain = not isinstance(value, MappingNode | SequenceNode)
            yield str(key.value), line, block_line if is_plain else None, bool(inner & {"summary", "type"})
            yield from _keys(value, line if is_entry else None)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _keys(item)


# ---------------------------------------------------------------- pages


def command_lines(page: str, program: str) -> list[list[str]]:
    """Give the words after `program` of each of its invocations in the code blocks of a Markdown page.

    >>> command_lines("```console\\n$ make test\\nmade\\n```\\nand make hay", "make")
    [['test']]
    """
    found = []
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"&&|\||;", re.sub(r"^\s*\$\s+", "", line)):
                words = _words(command)
                while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                    words = words[1:]
                if words and words[0] in {program, f".venv/bin/{program}"}:
                    found.append(words[1:])
    return found


def _words(command: str) -> list[str]:
    """Cut a command into words as a shell does; what is only a piece of one, at its spaces."""
    try:
        return shlex.split(command, comments=True)
    except ValueError:
        return command.split("#", maxsplit=1)[0].split()


def dead_links(page: str, exists: Callable[[str], bool]) -> list[str]:
    """Name each relative link of a Markdown page whose target `exists` denies."""
    prose = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [
        target
        for target in targets
        if not re.match(r"[a-z]+:|#", target) and not exists(target.partition("#")[0])
    ]
