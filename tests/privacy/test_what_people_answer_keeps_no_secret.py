"""A secret in what people answer, where everything is prepared for the answer to count, is in no file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from engine.core.vocabulary.facts import TimePassed
from engine.core.vocabulary.rollouts import RolloutPlan
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.core.vocabulary.voting import Topic, Voter, VotingSettings
from engine.runtime.live import Live
from tests.builders import RESTART, performing
from tests.competitions import competition
from tests.http.placing import ALLOWED, perform
from tests.http.waking import ladders, roster
from tests.privacy.planting import Planter
from tests.privacy.test_no_route_keeps_a_secret import NEVER_TAKEN, leaks

pytestmark = pytest.mark.asyncio

LARGE = ALLOWED | {"impact": {"files": 6}}
HEALS = Topic(voters=(Voter(name="agent:coder-2"), Voter(name="ray")))


class Answering:
    """Sends answers with a secret in every text, each of which must count."""

    def __init__(self, place: Any, client: httpx.AsyncClient, planter: Planter) -> None:
        self._place, self._client, self.planter = place, client, planter
        self.taken, self.answers = set[str](), list[bytes]()

    async def give(self, route: str, who: str, *, path: str = "", **body: Any) -> dict[str, Any]:
        """`path` is the route with its ids; what counted is noted under the route."""
        answer = await self._client.post(path or route, json=body, headers=self._place.bearer(who))
        assert answer.is_success, (route, answer.text)
        self.taken.add(f"post {route}")
        self.answers.append(answer.content)
        return dict(answer.json()) if answer.content else {}

    async def decision(self, word: str, decision: str, who: str, **body: Any) -> dict[str, Any]:
        """Answer a decision."""
        route = f"/v1/decisions/{{decision_id}}/{word}"
        return await self.give(route, who, path=route.replace("{decision_id}", decision), **body)

    async def capability(self, word: str, name: str, who: str, **body: Any) -> dict[str, Any]:
        """Answer about a capability."""
        route = f"/v1/capabilities/{{capability}}/{word}"
        return await self.give(route, who, path=route.replace("{capability}", name), **body)

    async def proposed(self, who: str = "coder-1", **wanted: Any) -> str:
        """Have an agent propose; return the decision."""
        said = await self._client.post("/v1/proposals", json=wanted, headers=self._place.bearer(who))
        return str(said.json()["decision_id"])


async def tick(live: Live) -> None:
    now_us = live.clock.now_us()
    await live.intake.take(f"time:minute:{now_us}", TimePassed(at_us=now_us, schedule="minute"))


async def votes_and_ratings(live: Live, say: Answering) -> None:
    text = say.planter.text
    voted = await say.proposed(**LARGE)
    await say.decision("vote", voted, "coder-2", choice="for", rationale=text())
    done = await say.proposed(**ALLOWED)
    await perform(live, done, output=text())
    await say.decision("rate", done, "ray", rating="wrong", reason=text())
    await say.decision("undo", done, "ray", reason=f"it printed {text()}")


async def competing(live: Live, say: Answering) -> None:
    text = say.planter.text
    _, second, third = [await say.proposed(who, **ALLOWED) for who in ("coder-1", "coder-1", "coder-2")]
    await say.decision("ballot", second, "ray", choices=[third], rationale=text())
    await tick(live)


async def settled(live: Live, say: Answering) -> None:
    _, _, third = [await say.proposed(who, **ALLOWED) for who in ("coder-1", "coder-1", "coder-2")]
    await tick(live)
    await say.decision("settle", third, "cat", reason=f"see {say.planter.text()}")


async def taken_over(_live: Live, say: Answering) -> None:
    text = say.planter.text
    await say.decision("take", await say.proposed(**ALLOWED), "ray", reason=text())
    await say.give("/v1/captaincy", "captain", word="hand-over", to="ray", reason=text())


async def woken(_live: Live, say: Answering) -> None:
    text = say.planter.text
    raised = await say.give("/v1/escalations", "cat", summary=f"it hangs: {text()}")
    route, own = "/v1/escalations/{escalation_id}", raised["escalation"]["escalation_id"]
    for word, body in (("hand", {"to": "ray"}), ("resolve", {})):
        path = f"{route}/{word}"
        said = {"reason": text()} if word == "resolve" else {}
        await say.give(path, "cat", path=path.replace("{escalation_id}", own), **body, **said)
    when = {"since": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"}
    await say.give("/v1/on-call/changes", "ray", schedule="primary", person="cat", reason=text(), **when)


async def rolled_out(_live: Live, say: Answering) -> None:
    text = say.planter.text
    await say.capability("promote", "heal@2", "cat", reason=text())
    why = f"a sale: {text()}"
    await say.capability("pause", "heal", "ray", reason=why)
    await say.capability("resume", "heal", "ray", reason=why)
    await say.capability("abort", "heal", "cat", reason=text())


async def on_a_body(_live: Live, say: Answering) -> None:
    """A body performs an effect, which prints secrets; another comes too late to be believed."""
    text = say.planter.text
    for nth in range(2):
        await say.proposed(**ALLOWED | {"args": {"service": f"web-{nth}"}})
    work = await say.give("/v1/body/work", "lap", run="r1r1", most=2)
    first, second = [
        {"effect_id": each["task"]["effect_id"], "token": each["task"]["token"]} for each in work["effects"]
    ]
    await say.give("/v1/body/begin", "lap", **first)
    await say.give("/v1/body/renew", "lap", run="r1r1", leases=[first, second])
    result = {"success": False, "output": text(), "error": f"fatal: {text()}", "execution_time_s": 0.1}
    await say.give("/v1/body/end", "lap", **first, status="failed", result=result)
    await say.give("/v1/body/return", "lap", **second)


ON_BODY = performing("cache.clear", run=structs.replace(RESTART, on="dev"))
UNKNOWN = {"competition": competition(within_us=SECOND_US // 1000, captain_us=15 * MINUTE_US)}
PLAYS: dict[Callable[[Live, Answering], Awaitable[None]], tuple[dict[str, Any], set[str]]] = {
    votes_and_ratings: (
        {},
        {f"post /v1/decisions/{{decision_id}}/{word}" for word in ("vote", "rate", "undo")},
    ),
    competing: (
        {"voting": VotingSettings(topics=(HEALS,), competition=competition())},
        {"post /v1/decisions/{decision_id}/ballot"},
    ),
    settled: ({"voting": VotingSettings(**UNKNOWN)}, {"post /v1/decisions/{decision_id}/settle"}),
    taken_over: (
        {"plan": RolloutPlan(mode="recommend")},
        {"post /v1/decisions/{decision_id}/take", "post /v1/captaincy"},
    ),
    woken: (
        {"ladders": ladders()},
        {
            "post /v1/escalations",
            "post /v1/escalations/{escalation_id}/hand",
            "post /v1/escalations/{escalation_id}/resolve",
            "post /v1/on-call/changes",
        },
    ),
    on_a_body: (
        {"policy": ON_BODY},
        {f"post /v1/body/{word}" for word in ("work", "begin", "renew", "end", "return")},
    ),
    rolled_out: (
        {"by_name": {"heal": RolloutPlan(replay_decisions=0)}},
        {f"post /v1/capabilities/{{capability}}/{word}" for word in ("promote", "pause", "resume", "abort")},
    ),
}
"""What is played, on which settings, and the routes whose answers count then."""


@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.__name__)
async def test_what_people_answer_keeps_no_secret(play: Any, place: Any, tmp_path: Path) -> None:
    planter, (settings, routes) = Planter(13), PLAYS[play]
    for role, name in {"captain": "una", "deputy": "sam"}.items():
        place.token[role] = place.tokens.create(kind="person", name=name, role="responder")[1]
    place.token["lap"] = place.tokens.create(kind="body", name="lap", pools=("dev",))[1]
    async with place.engine(**settings) as live, place.talking(roster=roster()) as client:
        say = Answering(place, client, planter)
        await play(live, say)
        live.intake.snapshot()
    assert say.taken == routes
    kept = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(b"redacted: " in content for name, content in kept.items() if name.startswith("journal.db"))
    kept["answers"] = b"\n".join(say.answers)
    assert (
        leaks({name: content for name, content in kept.items() if name != "tokens.json"}, planter.made) == []
    )


async def test_together_with_all_other_routes_none_is_left_out() -> None:
    assert set().union(*(routes for _, routes in PLAYS.values())) >= NEVER_TAKEN
