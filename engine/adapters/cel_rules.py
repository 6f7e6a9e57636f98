"""Rule conditions in CEL, the Common Expression Language, checked when a policy is loaded.

All conditions are compiled into one list expression, so a proposal costs one evaluation. An error in one of
them spoils the list; then each is asked alone. Conditions are pure, so an answer is remembered by what it
read.
"""

import json
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from cel_expr_python import cel

from engine.core.gates.rules import RULE_FACTS, Fired, Rule
from engine.core.vocabulary.ids import RuleId
from engine.core.vocabulary.verdicts import Wait
from engine.errors import PolicyError

# An entry is a tuple of a few references. Past this many the whole memory is dropped: simpler than choosing,
# and a stream that never repeats itself loses nothing by it.
_REMEMBERED = 50_000
_LONGEST = 80
_Memory = dict[Any, Fired | None]
_UNKNOWN = Fired(
    Rule(
        id=RuleId(""),
        ruling="deny",
        mode="enforce",
        reason="",
        when="",
        wait=Wait(kind="person", role=""),
        owner="",
    )
)
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
        self.names = tuple(
            name for name in RULE_FACTS if any(_reads(condition, name) for _, condition, _ in rules)
        )
        self._reads = tuple(
            (rule, [name for name in self.names if _reads(condition, name)]) for rule, condition, _ in rules
        )
        # On lines of their own: a condition may end in a `// comment`.
        self._all = everything.compile("[" + ", ".join(f"({condition}\n)" for _, condition, _ in rules) + "]")
        # What each rule reads is remembered apart: a rule about the environment need not be asked again
        # because the cost is another.
        self._remembered = tuple(
            (rule, _picker([self.names.index(name) for name in reads]), _Memory())
            for rule, reads in self._reads
        )

    def fired(self, values: tuple[Any, ...]) -> tuple[Fired, ...]:
        """Return the rules that fire on these values (of `names`, in that order)."""
        if "args_text" in self.names:
            # Texts may be long and seldom come twice: remembering them would only fill memory.
            return self._evaluate(dict(zip(self.names, values, strict=True)))
        fired: list[Fired] = []
        for _, pick, memory in self._remembered:
            hit = memory.get(pick(values), _UNKNOWN)
            if hit is _UNKNOWN:
                return self._ask_all(values)
            if hit is not None:
                fired.append(hit)
        return tuple(fired)

    def _ask_all(self, values: tuple[Any, ...]) -> tuple[Fired, ...]:
        fired = self._evaluate(dict(zip(self.names, values, strict=True)))
        by_rule = {hit.rule.id: hit for hit in fired}
        for rule, pick, memory in self._remembered:
            if len(memory) >= _REMEMBERED:
                memory.clear()
            memory[pick(values)] = by_rule.get(rule.id)
        return fired

    def _evaluate(self, facts: dict[str, Any]) -> tuple[Fired, ...]:
        if not self._rules:
            return ()
        answers = self._all.eval(data=facts).plain_value()
        if not isinstance(answers, list) or len(answers) != len(self._rules):
            answers = [condition.eval(data=facts).plain_value() for condition in self._each]
        # An error is a value here, and a truthy one: only `True` and `False` themselves are answers.
        return tuple(
            [
                Fired(rule, failed=said is not True, read=_shown(reads, facts))
                for (rule, reads), said in zip(self._reads, answers, strict=True)
                if said is not False
            ]
        )


def _shown(names: list[str], facts: dict[str, Any]) -> str:
    """Write what a condition read, as a reader of the policy would."""
    return ", ".join(f"{name} {json.dumps(facts[name])[:_LONGEST]}" for name in names)


def _picker(positions: list[int]) -> Callable[[tuple[Any, ...]], Any]:
    """Return a function that picks these values; a single one comes bare, which is just as good a key."""
    return itemgetter(*positions) if positions else lambda _: ()


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
    position = condition.find(name)
    while position >= 0:
        before = condition[position - 1 : position]
        after = condition[position + len(name) : position + len(name) + 1]
        if not (before.isalnum() or before == "_") and not (after.isalnum() or after == "_"):
            return True
        position = condition.find(name, position + 1)
    return False
