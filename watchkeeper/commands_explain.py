"""`watchkeeper explain`: one decision, with all its reasons."""

from pathlib import Path

import click
import msgspec

from engine.adapters.decisions_view import DecisionsView
from engine.commands.standing import standing_from
from engine.commands.tracing import trace
from engine.core.explain import explain as explained
from engine.core.explain import text
from engine.core.path import Path as DecisionPath
from engine.core.vocabulary.facts import Fact, ProposalReceived, VerdictReached, decode
from engine.core.vocabulary.ids import DecisionId
from engine.errors import InputError
from engine.runtime.outbox import said_of
from simulator.replay.results import find_decision
from watchkeeper.home import default_journal, last_replay


@click.command()
@click.argument("decision_id")
@click.option(
    "--results", type=click.Path(path_type=Path), help="Results of a replay. [default: the last one]"
)
@click.option("--journal", type=click.Path(path_type=Path), help="Look in this journal instead.")
@click.option("--against", is_flag=True, help="Explain what the second policy of the replay decided.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(
    decision_id: str, results: Path | None, journal: Path | None, against: bool, as_json: bool
) -> None:
    """Explain a decision: its path as a tree, what each gate said, who can change it."""
    found, looked, said = None, [], list[Fact]()
    way: DecisionPath | None = None
    if journal is None:
        where = results or last_replay()
        if where is not None:
            looked.append(where)
            found = find_decision(where, DecisionId(decision_id), track=int(against))
        elif not default_journal().exists():
            raise InputError(
                "there is nothing to explain yet", cure="run watchkeeper demo, or watchkeeper replay"
            )
    if found is None and results is None:
        where = journal or default_journal()
        if journal is not None or where.exists():
            looked.append(where)
            found, said, way = _in_journal(where, decision_id)
    if found is None:
        places = " and ".join(str(place) for place in looked)
        raise InputError(
            f"no decision {decision_id}",
            place=places,
            cure="copy the whole id; name another file with --results",
        )
    proposal, verdict = (decode(line) if line else None for line in found)
    if not isinstance(verdict, VerdictReached):
        raise InputError(f"{decision_id} is not a verdict", place=str(looked[-1]))
    explanation = explained(
        verdict.verdict,
        proposal.proposal if isinstance(proposal, ProposalReceived) else None,
        said,
        path=way,
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(explanation), indent=2))
    else:
        click.echo(text(explanation))


def _in_journal(
    path: Path, decision_id: str
) -> tuple[tuple[bytes, bytes] | None, list[Fact], DecisionPath | None]:
    with DecisionsView(path) as journal:
        record = journal.find(f"verdict:{decision_id}")
        standing = standing_from(journal, record) if record is not None else None
        if record is None or standing is None:
            return None, [], None
        verdict = standing.verdict
        asked = journal.find(f"proposal:{verdict.proposal_id}")
        found = (asked.body if asked is not None else b"", record.body)
        way = trace(journal, verdict, goes_on=not standing.settled)
        return found, said_of(journal, verdict.decision_id), way
