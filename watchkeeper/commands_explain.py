"""`watchkeeper explain`: one decision, with all its reasons."""

from pathlib import Path

import click
import msgspec

from engine.adapters.journal_reader import SqliteReader
from engine.core.explain import explain as explained
from engine.core.explain import text
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
    """Explain a decision: what was asked, what each gate said, who can change it."""
    found, looked, said = None, [], list[Fact]()
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
            found, said = _in_journal(where, decision_id)
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
        verdict.verdict, proposal.proposal if isinstance(proposal, ProposalReceived) else None, said
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(explanation), indent=2))
    else:
        click.echo(text(explanation))


def _in_journal(path: Path, decision_id: str) -> tuple[tuple[bytes, bytes] | None, list[Fact]]:
    with SqliteReader(path) as reader:
        record = reader.find(f"verdict:{decision_id}")
        if record is None:
            return None, []
        verdict = decode(record.body)
        if not isinstance(verdict, VerdictReached):
            return None, []
        asked = reader.find(f"proposal:{verdict.verdict.proposal_id}")
        found = (asked.body if asked is not None else b"", record.body)
        return found, said_of(reader, verdict.verdict.decision_id)
