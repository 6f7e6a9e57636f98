"""`voting.yaml`: who votes on what, with how many votes, and until when."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from engine.settings.base import Role, Seconds, Settings

VoterName = Annotated[str, StringConstraints(pattern=r"^(agent:)?[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Pattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/@*?-]{1,128}$")]
Votes = Annotated[int, Field(strict=True, ge=1, le=1000)]


class TopicSection(Settings):
    """Who alone votes on certain actions."""

    capability: Pattern = "*"
    action: Pattern = "*"
    voters: Annotated[dict[VoterName, Votes], Field(min_length=1)]


class CompetitionSection(Settings):
    """What is done about proposals that want one resource."""

    method: Literal["approval", "borda"] = "approval"
    within_s: Annotated[float, Field(strict=True, ge=60, le=366 * 86_400)] = 300.0
    captain_s: Annotated[float, Field(strict=True, ge=60, le=366 * 86_400)] = 900.0
    quorum: Votes = 3
    losers: Literal["deny", "wait"] = "deny"
    failsafe: Literal["deny", "hold"] = "hold"


class VotingFile(Settings):
    """`voting.yaml`."""

    owner: Role = "captain"
    topics: tuple[TopicSection, ...] = ()
    owners: dict[VoterName, VoterName] = {}
    quorum: Votes | None = None
    deadline_s: Seconds | None = None
    competition: CompetitionSection | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, owner in self.owners.items():
            if owner in self.owners:
                raise ValueError(
                    f"owners: {name} belongs to {owner}, which belongs to {self.owners[owner]}; name the last"
                )
        return self

    def most_votes(self, topic: TopicSection) -> int:
        """Return how many votes a topic's voters have together: each owner as many as their heaviest name."""
        heaviest: dict[str, int] = {}
        for name, weight in topic.voters.items():
            owner = self.owners.get(name, name)
            heaviest[owner] = max(heaviest.get(owner, 0), weight)
        return sum(heaviest.values())
