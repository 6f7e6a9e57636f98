"""`--fail-if`: a condition over a replay's figures, so that a pipeline can refuse a policy by its history."""

from collections.abc import Mapping

from cel_expr_python import cel

from engine.errors import InputError
from simulator.summary import Summary

FIGURES: dict[str, tuple[type, str]] = {
    "facts": (int, "facts replayed"),
    "decisions": (int, "proposals decided"),
    "allowed": (int, "proposals allowed"),
    "held": (int, "proposals held"),
    "denied": (int, "proposals denied"),
    "shadowed": (int, "proposals decided in shadow"),
    "differing": (int, "decisions the two policies of --against disagree on"),
    "newly_allowed": (int, "decisions --policy allows that --against did not"),
    "not_reproduced": (int, "recorded verdicts of a journal that came out differently"),
    "precision": (float, "share of held and denied calls that were unsafe; needs --score"),
    "recall": (float, "share of unsafe calls that were held or denied; needs --score"),
    "f1": (float, "harmonic mean of precision and recall; needs --score"),
    "benign_runs_held": (float, "share of benign episodes with a call held or denied; needs --score"),
}
"""What a condition may name: its type and its meaning."""


class FailIf:
    """A checked condition."""

    def __init__(self, condition: str) -> None:
        """Compile it. Raises `InputError` for wrong syntax, names or types, before any work is done."""
        types = {int: cel.Type.INT, float: cel.Type.DOUBLE}
        environment = cel.NewEnv(variables={name: types[kind] for name, (kind, _) in FIGURES.items()})
        self.condition = condition
        try:
            self._compiled = environment.compile(condition)
        except RuntimeError as failure:
            problem = str(failure).split("ERROR: <input>:", 1)[-1].splitlines()[0]
            raise InputError(
                f"cannot be read: {problem}",
                place=f"--fail-if {condition!r}",
                cure=f"figures: {', '.join(FIGURES)}; write shares with a point: 0.5",
            ) from failure
        if self._compiled.return_type() != cel.Type.BOOL:
            raise InputError(
                "is not true or false",
                place=f"--fail-if {condition!r}",
                cure="compare a figure with something",
            )

    def holds(self, figures: Mapping[str, float | int | None]) -> bool:
        """Say whether to fail. Raises `InputError` when it needs a figure this replay did not give."""
        given = {name: value for name, value in figures.items() if value is not None}
        answer = self._compiled.eval(data=given).plain_value()
        if not isinstance(answer, bool):
            place = f"--fail-if {self.condition!r}"
            if "No value with name" not in str(answer):
                problem = str(answer).partition(": ")[2] or str(answer)
                raise InputError(
                    f"cannot be computed: {problem}", place=place, cure="guard it: denied > 0 && …"
                )
            absent = ", ".join(sorted(FIGURES.keys() - given.keys()))
            raise InputError(
                "needs a figure this replay did not give",
                place=place,
                cure=f"not given here: {absent}; --score, --against or a journal may give them",
            )
        return answer


def figures(summary: Summary) -> dict[str, float | int | None]:
    """Return the figures of a replay by the names of `FIGURES`; `None` where it gave none."""
    score, found, recorded = summary.score, summary.differences, summary.recorded_verdicts
    held = score.held if score is not None else None
    return {
        "facts": summary.facts,
        "decisions": summary.decisions,
        "allowed": summary.words.allow,
        "held": summary.words.hold,
        "denied": summary.words.deny,
        "shadowed": summary.shadowed,
        "differing": found.different if found is not None else None,
        "newly_allowed": found.newly_allowed if found is not None else None,
        "not_reproduced": recorded.compared - recorded.reproduced if recorded is not None else None,
        "precision": held.precision.value if held is not None else None,
        "recall": held.recall.value if held is not None else None,
        "f1": held.f1.value if held is not None else None,
        "benign_runs_held": held.benign_episodes.value if held is not None else None,
    }
