"""Rules that say what secrets look like, in the format of gitleaks.toml.

A rule is tried only where one of its keywords stands, and its pattern is compiled the first time it is. Of a
rule that is limited to some files by `path` only the pattern counts, as there are no files here; one that has
only a `path` says nothing. Patterns are RE2's, which take time linear in the text, whatever either is.
"""

import math
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
import re2
from msgspec import Meta, Struct, field

from engine.adapters.files import storage_errors
from engine.errors import InputError, PolicyError

SHIPPED_RULES: Final = Path(__file__).resolve().parents[2] / "config" / "secret-rules.toml"
_DEEPEST: Final = 3
_MOST_MATCHES: Final = 2_000
"""Whoever writes more that looks like secrets is wasting our time: all behind that counts as one."""
_FORMAT: Final = "it takes what gitleaks.toml takes; see docs/howto/privacy.md"


# Read without pydantic: whoever runs for one hook cannot wait for its import.


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    pass


class _Allowlist(_Part, frozen=True):
    """What is no secret all the same. Of commits and paths there are none here."""

    description: str = ""
    condition: Literal["OR", "AND", "or", "and", "||", "&&"] = "OR"
    commits: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    regex_target: Literal["", "secret", "match", "line"] = "secret"
    regexes: tuple[str, ...] = ()
    stopwords: tuple[str, ...] = ()
    target_rules: tuple[str, ...] = ()


class _Rule(_Part, frozen=True):
    id: Annotated[str, Meta(min_length=1, max_length=100)]
    description: str = ""
    regex: str = ""
    path: str = ""
    secret_group: Annotated[int, Meta(ge=0)] = 0
    entropy: Annotated[float, Meta(ge=0)] = 0.0
    keywords: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    allowlist: _Allowlist | None = None
    allowlists: tuple[_Allowlist, ...] = ()
    required: tuple[dict[str, Any], ...] = ()
    skip_report: bool = False


class _Extend(_Part, frozen=True):
    use_default: bool = False
    path: str = ""
    url: str = ""
    disabled_rules: tuple[str, ...] = ()
    older: tuple[str, ...] = field(default=(), name="disabled_rules")
    """The same, under the name it had."""


class _File(_Part, frozen=True):
    title: str = ""
    description: str = ""
    min_version: str = ""
    extend: _Extend = _Extend()
    rules: tuple[_Rule, ...] = ()
    allowlist: _Allowlist | None = None
    allowlists: tuple[_Allowlist, ...] = ()


class LeakRule:
    """One rule, compiled when it is first tried."""

    def __init__(self, rule: _Rule, allowlists: Sequence[_Allowlist], place: str) -> None:
        """Take a rule as it was read, and what is allowed by it and by the whole file."""
        self._rule, self._place = rule, place
        self.id, self.name = rule.id, rule.id.replace("-", " ").replace("_", " ")
        self.keywords = tuple(word.lower() for word in rule.keywords)
        self._allowlists = [_Allowed(allowlist, place) for allowlist in allowlists]

    @cached_property
    def _pattern(self) -> Any:
        pattern = compiled(self._rule.regex, self._place)
        if self._rule.secret_group > pattern.groups:
            raise PolicyError(
                f"secretGroup is {self._rule.secret_group}, but the pattern has {pattern.groups} groups",
                place=self._place,
            )
        return pattern

    def compile(self) -> None:
        """Compile everything now. Raises `PolicyError` for a pattern that RE2 cannot read."""
        _ = self._pattern
        for allowed in self._allowlists:
            allowed.compile()

    def spans(self, data: bytes) -> Iterable[tuple[int, int]]:
        """Find the secrets in a text, as where each begins and ends, in bytes of UTF-8."""
        for nth, match in enumerate(self._pattern.finditer(data)):
            if nth == _MOST_MATCHES:
                yield match.start(), len(data)
                return
            group = self._rule.secret_group
            if not group:
                group = next((nth for nth in range(1, len(match.groups()) + 1) if match.group(nth)), 0)
            start, end = match.span(group)
            if end <= start:
                continue
            secret = data[start:end]
            if self._rule.entropy and entropy(secret) <= self._rule.entropy:
                continue
            if not any(allowed.covers(data, match, secret) for allowed in self._allowlists):
                yield start, end


class _Allowed:
    """One allowlist, compiled when it is first asked."""

    def __init__(self, allowlist: _Allowlist, place: str) -> None:
        self._list, self._place = allowlist, place
        self._all = allowlist.condition.lower() in {"and", "&&"}
        # Whatever asks for a commit or a path asks for what never is here.
        self._never = self._all and bool(allowlist.commits or allowlist.paths)
        self._stopwords = tuple(word.lower().encode() for word in allowlist.stopwords)

    @cached_property
    def _patterns(self) -> list[Any]:
        return [compiled(pattern, self._place) for pattern in self._list.regexes]

    def compile(self) -> None:
        _ = self._patterns

    def covers(self, data: bytes, match: Any, secret: bytes) -> bool:
        if self._never:
            return False
        answers: list[bool] = []
        if self._list.regexes:
            target = secret
            if self._list.regex_target == "match":
                target = match.group(0)
            elif self._list.regex_target == "line":
                start, end = match.span()
                until = data.find(b"\n", end)
                target = data[data.rfind(b"\n", 0, start) + 1 : until if until >= 0 else len(data)]
            answers.append(any(pattern.search(target) for pattern in self._patterns))
        if self._stopwords:
            lowered = secret.lower()
            answers.append(any(word in lowered for word in self._stopwords))
        return bool(answers) and (all(answers) if self._all else any(answers))


class LeakRules(Struct, frozen=True):
    """All rules in force, and by which keyword each is tried."""

    rules: tuple[LeakRule, ...]

    @property
    def by_keyword(self) -> dict[str, tuple[LeakRule, ...]]:
        """Return which rules each keyword calls for; the empty one for those without any."""
        found: dict[str, list[LeakRule]] = {}
        for rule in self.rules:
            for word in rule.keywords or ("",):
                found.setdefault(word, []).append(rule)
        return {word: tuple(rules) for word, rules in found.items()}

    def compile(self) -> None:
        """Compile every pattern now, so that a wrong one is found. About half a millisecond each."""
        for rule in self.rules:
            rule.compile()


def compiled(pattern: str, place: str) -> Any:
    """Compile for RE2. Raises `PolicyError` naming the place."""
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as wrong:
        said = wrong.args[0].decode() if isinstance(wrong.args[0], bytes) else wrong
        raise PolicyError(
            f"RE2 cannot read the pattern: {said}", place=place, cure="write it for RE2"
        ) from None


def entropy(secret: bytes) -> float:
    """Give Shannon's entropy of a text, bits a sign (Shannon 1948).

    >>> entropy(b"aaaa"), entropy(b"abcd")
    (0.0, 2.0)
    """
    total = len(secret)
    return sum(-count / total * math.log2(count / total) for count in Counter(secret).values()) + 0.0


@lru_cache(maxsize=8)
def read_rules(path: Path = SHIPPED_RULES) -> LeakRules:
    """Read a file of rules, and those it extends.

    Raises `InputError` when a file is missing and `PolicyError` when it is none of gitleaks' format.
    """
    rules: dict[str, LeakRule] = {}
    _read(path, rules, 0)
    if not rules:
        raise PolicyError("it has no rules, so nothing would ever be found", place=str(path), cure=_FORMAT)
    return LeakRules(tuple(rules.values()))


def _read(path: Path, rules: dict[str, LeakRule], depth: int) -> None:
    if depth > _DEEPEST:
        raise PolicyError("files of rules extend each other too deeply", place=str(path))
    with storage_errors(path):
        if not path.exists():
            raise InputError("no such file of rules", place=str(path), cure="see `rules` in privacy.yaml")
        content = path.read_bytes()
    try:
        file = msgspec.convert(tomllib.loads(content.decode()), _File)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise PolicyError(f"it is not TOML: {wrong}", place=str(path), cure=_FORMAT) from None
    except msgspec.ValidationError as invalid:
        raise PolicyError(str(invalid), place=str(path), cure=_FORMAT) from None
    if file.extend.url:
        raise PolicyError("extend.url would fetch rules from elsewhere", place=str(path), cure="use a path")
    if file.extend.use_default:
        _read(SHIPPED_RULES, rules, depth + 1)
    if file.extend.path:
        _read(path.parent / file.extend.path, rules, depth + 1)
    for disabled in (*file.extend.disabled_rules, *file.extend.older):
        rules.pop(disabled, None)
    everywhere = [*file.allowlists, *([file.allowlist] if file.allowlist is not None else [])]
    for rule in file.rules:
        if not rule.regex:
            continue
        own = [*rule.allowlists, *([rule.allowlist] if rule.allowlist is not None else [])]
        own += [each for each in everywhere if not each.target_rules or rule.id in each.target_rules]
        rules[rule.id] = LeakRule(rule, own, f"{path}: {rule.id}")
