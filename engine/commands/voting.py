"""Voting: what a person's vote on a decision leads to."""

from engine.commands import catalogue as c
from engine.commands.cards import card
from engine.commands.model import Asker, Button, Reply
from engine.commands.tallies import tally_of, votes_of
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import DecisionId
from engine.runtime import wire


async def vote(tools: Tools, asker: Asker, said: c.Vote) -> Reply:
    """Count a vote."""
    request = wire.CastVote(
        decision_id=DecisionId(said.decision_id),
        voter=asker.person,
        choice=said.choice,
        rationale=said.rationale,
    )
    answer = await tools.ask(request, wire.HoldAnswer)
    if not answer.counted:
        return Reply(
            title="It did not count",
            outcome="refused",
            tone="warning",
            text=f"{answer.reason}.",
            about=answer.decision_id,
        )
    journal = tools.journal()
    shown = card(journal, tools.standing(answer.decision_id))
    return Reply(
        title=f"{asker.person} voted {said.choice if said.choice != 'abstain' else 'to abstain'}",
        tone="good" if said.choice == "for" else "plain",
        text=f"{shown.title}.\n{answer.reason}.",
        fields=(("Votes", str(tally_of(votes_of(journal, answer.decision_id)))),),
        buttons=(Button(label="Explain", line=f"explain {answer.decision_id}"),),
        private=False,
        about=answer.decision_id,
        episode=shown.episode,
    )
