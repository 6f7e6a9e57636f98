"""Rule conditions in CEL, the Common Expression Language, checked when a policy is loaded.

All conditions are compiled into one list expression, so a proposal costs one evaluation. An error in one of
them spoils the list; then each is asked alone. Conditions are pure, so an answer is remembered by what it
read. A cost or a confidence is seldom the same twice; where conditions only compare it with constants, what
counts is where it lies among them: to `cost_usd > 25.0` all costs up to 25 are alike.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from cel_expr_python import cel

from engine.core.gates.rules import RULE_FACTS, Asked, Fired, Rule, reader
from engine.errors import PolicyError

# An entry is a tuple of a few references. Past this many the whole memory is dropped: simpler than choosing,
# and a stream that never repeats itself loses nothing by it.
_REMEMBERED = 50_000
_LONGEST = 80
# One comparison of a fact with a number, and nothing else on either side of it.
_NUMBER = r"-?\d+\.\d+"
_BEFORE, _BEHIND = r"(?:^|[(!]|&&|\|\|)\s*", r"\s*(?=$|\)|&&|\|\|)"
_TYPES = {
    "string": cel.Type.STRING,
    "int": cel.Type.INT,
    "double": cel.Type.DOUBLE,
    "bool": cel.Type.BOOL,
}


class CelRuleBook:
    """Compiled rules."""

    def __init__(self, rules: Sequence[tuple[Rule, str, str]]) -> None:
        """Compile `(rule, condition, place)`. Raises `PolicyError` for a wrong name, type or syntax."""
        everything = cel.NewEnv(variables={name: _TYPES[fact.type] for name, fact in RULE_FACTS.items()})
        self._each = [_compiled(everything, rule, condition, place) for rule, condition, place in rules]
        self._rules = tuple(rule for rule, _, _ in rules)
        self.sources = tuple((rule, condition) for rule, condition, _ in rules)
        self.names = tuple(
            name for name in RULE_FACTS if any(_reads(condition, name) for _, condition, _ in rules)
        )
        self.read = reader(self.names)
        self.passing = reader(tuple(name for name in self.names if RULE_FACTS[name].passing))
        self._lasting = tuple(
            position for position, name in enumerate(self.names) if not RULE_FACTS[name].passing
        )
        self._reads = {
            rule.id: [name for name in self.names if _reads(condition, name)] for rule, condition, _ in rules
        }
        # On lines of their own: a condition may end in a `// comment`.
        self._all = everything.compile("[" + ", ".join(f"({condition}\n)" for _, condition, _ in rules) + "]")
        conditions = [condition for _, condition, _ in rules]
        scales = [(position, _constants(conditions, name)) for position, name in enumerate(self.names)]
        self._scales = tuple((position, constants) for position, constants in scales if constants)
        self._remembered: dict[tuple[Any, ...], tuple[Fired, ...]] = {}
        self._quiet: dict[tuple[Any, ...], set[tuple[Any, ...]]] = {}

    def fired(self, values: tuple[Any, ...]) -> tuple[Fired, ...]:
        """Return the rules that fire on these values (of `names`, in that order)."""
        if "args_text" in self.names:
            # Texts may be long and seldom come twice: remembering them would only fill memory.
            return self._evaluate(self._named(values))
        read = tuple(self._places(values))
        fired = self._remembered.get(read)
        if fired is None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            fired = self._remembered[read] = self._evaluate(self._named(values))
        elif fired and self._scales:
            # The same rules, but what they read may be other numbers on the same side of every constant.
            facts, reads = self._named(values), self._reads
            fired = tuple([Fired(hit.rule, hit.failed, _shown(reads[hit.rule.id], facts)) for hit in fired])
        return fired

    def quiet(self, asked: Asked) -> set[tuple[Any, ...]] | None:
        """Return where to remember when no rule fires, for all whose lasting facts lie in the same places."""
        if "args_text" in self.names:
            return None
        places = self._places(self.read(asked))
        lasting = tuple([places[position] for position in self._lasting])
        if len(self._quiet) >= _REMEMBERED:
            self._quiet.clear()
        return self._quiet.setdefault(lasting, set())

    def _places(self, values: tuple[Any, ...]) -> list[Any]:
        """Put in place of each number that is only compared where it lies among what it is compared with."""
        places = list(values)
        for position, constants in self._scales:
            # Even between two constants, odd at one.
            value = values[position]
            places[position] = bisect_left(constants, value) + bisect_right(constants, value)
        return places

    def _named(self, values: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(self.names, values, strict=True))

    def _evaluate(self, facts: dict[str, Any]) -> tuple[Fired, ...]:
        if not self._rules:
            return ()
        answers = self._all.eval(data=facts).plain_value()
        if not isinstance(answers, list) or len(answers) != len(self._rules):
            answers = [condition.eval(data=facts).plain_value() for condition in self._each]
        # An error is a value here, and a truthy one: only `True` and `False` themselves are answers.
        return tuple(
            [
                Fired(rule, failed=said is not True, read=_shown(self._reads[rule.id], facts))
                for rule, said in zip(self._rules, answers, strict=True)
                if said is not False
            ]
        )


def _shown(names: list[str], facts: dict[str, Any]) -> str:
    """Write what a condition read, as a reader of the policy would."""
    return ", ".join(f"{name} {json.dumps(facts[name])[:_LONGEST]}" for name in names)


def _constants(conditions: list[str], name: str) -> list[float] | None:
    """Return the constants that conditions compare a fraction with, sorted.

    `None` where one of them may do anything else with it, and for what is no fraction: then its exact value
    counts.
    """
    if RULE_FACTS[name].type != "double":
        return None
    comparison = re.compile(rf"{_BEFORE}{name}\s*(?:[<>]=?|[=!]=)\s*({_NUMBER}){_BEHIND}")
    constants: set[float] = set()
    for condition in conditions:
        compared = comparison.findall(condition)
        # A comment may hide what stands before a name.
        if len(compared) != len(_places(condition, name)) or (compared and "//" in condition):
            return None
        constants.update(map(float, compared))
    return sorted(constants)


def _compiled(environment: Any, rule: Rule, condition: str, place: str) -> Any:
    shown = " ".join(condition.split())
    try:
        compiled = environment.compile(condition)
    except RuntimeError as failure:
        said = str(failure).split("ERROR: <input>:", 1)[-1]
        position, _, problem = said.partition(": ")
        column = position.partition(":")[2]
        problem = (
            problem.splitlines()[0].removesuffix(" [INVALID_ARGUMENT]").removesuffix(" (in container '')")
        )
        raise PolicyError(
            f"rule {rule.id}: {problem}, at column {column} of `{shown}`",
            place=place,
            cure=_cure(problem),
        ) from failure
    result = compiled.return_type()
    if result != cel.Type.BOOL:
        raise PolicyError(
            f"rule {rule.id}: `{shown}` gives {result.name()}, not true or false",
            place=place,
            cure="compare it with something",
        )
    return compiled


def _cure(problem: str) -> str:
    if "(double, int)" in problem or "(int, double)" in problem:
        return "write whole amounts of a double with a point: 50.0"
    if "undeclared reference" in problem:
        return "known facts: " + ", ".join(sorted(RULE_FACTS))
    if "overload" in problem:
        return "compare values of one type"
    return "see the CEL language definition"


def _reads(condition: str, name: str) -> bool:
    """Whether a condition may read a fact. A name inside a text literal counts too: that only costs time."""
    return bool(_places(condition, name))


def _places(condition: str, name: str) -> list[int]:
    return [found.start() for found in re.finditer(rf"(?<!\w){name}(?!\w)", condition)]
