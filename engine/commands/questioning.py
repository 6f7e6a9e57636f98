"""Questions: people ask the agent about what waits, and read in its message what it answers."""

from engine.commands import catalogue as c
from engine.commands.model import Asker, Button, Reply
from engine.commands.tools import Tools
from engine.core.vocabulary.ids import DecisionId
from engine.runtime import wire


async def ask(tools: Tools, asker: Asker, said: c.Ask) -> Reply:
    """Put a question to the agent."""
    decision = DecisionId(said.decision_id)
    request = wire.AskAgent(decision_id=decision, by=asker.person, question=said.question)
    taken = await tools.ask(request, wire.QuestionTaken)
    return Reply(
        title=f"Asked {taken.agent}",
        tone="good",
        text="Its answer comes into the decision's message. The question stops no clock: what waits still "
        "ends when its time is over.",
        buttons=(Button(label="Explain", line=f"explain {decision}"),),
        about=decision,
    )
