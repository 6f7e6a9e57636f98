"""Text patterns and path globs through RE2, which takes time linear in the text whatever a stranger wrote."""

from collections.abc import Sequence

import re2

from engine.errors import PolicyError

# A set that runs out of memory would report no match. This is eight times RE2's default.
_MEMORY_BYTES = 64 << 20
# Agents repeat themselves. Answers for short texts are remembered; past this many all are dropped.
_REMEMBERED = 20_000
_SHORT = 200


class Re2Patterns:
    """Several expressions, searched for at once."""

    def __init__(self, expressions: Sequence[tuple[str, str]]) -> None:
        """Compile `(expression, place)` pairs. Raises `PolicyError` naming the place of a wrong one."""
        options = re2.Options()
        options.max_mem = _MEMORY_BYTES
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        self.expressions = tuple(expression for expression, _ in expressions)
        self._count = len(expressions)
        self._known: dict[str, tuple[int, ...]] = {}
        for expression, place in expressions:
            try:
                self._set.Add(expression)
            except re2.error as failure:
                raise PolicyError(
                    f"not a regular expression: {_fault(expression)}",
                    place=place,
                    cure="RE2 syntax: no look-around",
                ) from failure
        if expressions:
            self._set.Compile()

    def found_in(self, text: str) -> tuple[int, ...]:
        """Return the positions of the expressions that match somewhere in the text, in order."""
        if not self._count:
            return ()
        known = self._known.get(text)
        if known is None:
            known = tuple(sorted(self._set.Match(text) or ()))
            if len(text) <= _SHORT:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[text] = known
        return known


def _fault(expression: str) -> str:
    """Say what is wrong with an expression: the set only says that it would not take it."""
    options = re2.Options()
    options.log_errors = False
    try:
        # Without the flags that were put before what a person wrote.
        re2.compile(expression.removeprefix("(?m)").removeprefix("(?s)"), options)
    except re2.error as failure:
        return failure.args[0].decode() if isinstance(failure.args[0], bytes) else str(failure)
    return "too large"


def path_patterns(globs: Sequence[tuple[str, str]]) -> Re2Patterns:
    """Compile `(glob, place)` pairs that read as lines of a `.gitignore` do. Raises `PolicyError`."""
    # What was compiled before is read from its expressions, and whoever does so must be quick.
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # noqa: PLC0415 - see above

    expressions = []
    for glob, place in globs:
        try:
            expression, include = GitIgnoreSpecPattern.pattern_to_regex(glob)
        except ValueError as failure:
            raise PolicyError(
                f"not a path pattern: {glob!r}", place=place, cure="as in .gitignore"
            ) from failure
        if expression is None or not include:
            raise PolicyError(f"{glob!r} protects nothing", place=place, cure="remove the leading # or !")
        # A rooted pattern means the root of the file system as well as that of the project, and a line break
        # in a name is a letter like any other: it must not end the search.
        expressions.append(("(?si)" + expression.replace("^", "^/?", 1), place))
    return Re2Patterns(expressions)
