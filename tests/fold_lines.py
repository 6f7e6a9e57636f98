"""Fold facts from standard input, decide each proposal, and print what it came to.

Run by `python -m tests.fold_lines` in processes with different hash seeds, it shows that nothing of the
outcome hangs on the order of a set.
"""

import hashlib
import sys

from engine.core.decide import decide
from engine.core.evolve import evolve
from engine.core.policy import Policy
from engine.core.state import State, decode_state, encode_state, state_hash
from engine.core.vocabulary.facts import Fact, VerdictReached, decode_lines, encode
from tests.builders import shipped


def fold(
    policy: Policy,
    facts: list[Fact],
    *,
    snapshots: frozenset[int] = frozenset(),
    state: State | None = None,
) -> tuple[State, list[bytes]]:
    """Fold facts and the verdicts on them, as the loop does; return state and the verdicts' canonical bytes.

    After each position in `snapshots` state is written, dropped and read back. `state` goes on from another
    fold; `None` begins anew.
    """
    state, lines = state or State(), []
    for position, fact in enumerate(facts):
        evolve(state, fact)
        for consequence in decide(policy, state, fact).facts:
            if isinstance(consequence, VerdictReached):
                lines.append(encode(consequence))
            evolve(state, consequence)
        if position in snapshots:
            state = decode_state(encode_state(state))
    return state, lines


if __name__ == "__main__":
    folded, verdicts = fold(shipped(), decode_lines(sys.stdin.buffer.read()))
    print(state_hash(folded), hashlib.sha256(b"\n".join(verdicts)).hexdigest(), len(verdicts))
