"""Contesting: what a ballot among decisions that want the same leads to, and a captain's word on it."""

from engine.commands import catalogue as c
from engine.commands.cards import card
from engine.commands.model import Asker, Button, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import DecisionId
from engine.runtime import wire_contests


async def ballot(tools: Tools, asker: Asker, said: c.Ballot) -> Reply:
    """Count a ballot."""
    named = tuple(DecisionId(each) for each in said.decisions.split(","))
    request = wire_contests.CastBallot(
        about=named[0],
        voter=asker.person,
        choices=named if said.choice == "choose" else (),
        rationale=said.rationale,
    )
    chose = "to abstain" if said.choice == "abstain" else ", ".join(named)
    return await _answered(tools, request, named[0], f"{asker.person} voted {chose}")


async def settle(tools: Tools, asker: Asker, said: c.Settle) -> Reply:
    """Take a captain's word on what the ballots left open."""
    decision = DecisionId(said.decision_id)
    request = wire_contests.SettleContest(choice=decision, by=asker.person, reason=said.reason)
    return await _answered(tools, request, decision, f"{asker.person} settled it for {decision}")


async def _answered(
    tools: Tools,
    request: wire_contests.CastBallot | wire_contests.SettleContest,
    decision: DecisionId,
    title: str,
) -> Reply:
    answer = await tools.ask(request, wire_contests.ContestAnswer)
    if not answer.counted:
        return Reply(
            title="It did not count",
            outcome="refused",
            tone="warning",
            text=f"{answer.reason}.",
            about=decision,
        )
    shown = card(tools.journal(), tools.standing(decision))
    return Reply(
        title=title,
        tone="good",
        text=f"{shown.title}.\n{answer.reason}.",
        buttons=(Button(label="Explain", line=f"explain {decision}"),),
        private=False,
        about=decision,
        episode=shown.episode,
    )
