"""A secret sent in any text of any route of the API is in no file, no answer and no log line."""

import base64
import io
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from bot.http_api.app import described
from bot.http_api.serving import log_requests
from engine.core.vocabulary.facts import MessageObserved
from engine.runtime import wire
from engine.runtime.client import EngineClient
from tests.http.placing import ALLOWED, GRANTED, HELD, PERFORMED, perform
from tests.http.waking import ladders, roster
from tests.privacy.places import example_of, fits, planted, texts_in
from tests.privacy.planting import Planter, core_of, forms_of

DOCUMENT = described()
MANY = {"requests_per_s": 1_000_000, "most_body_bytes": 1 << 20}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if operation["operationId"] not in {"stream", "stream_decision"}
    ]


def with_text() -> set[str]:
    """The routes that take text in a body."""
    return {
        f"{method} {path}"
        for method, path, operation in operations()
        for media in [operation.get("requestBody", {}).get("content", {}).get("application/json")]
        if media is not None and any(True for _ in texts_in(media["schema"], DOCUMENT))
    }


NEVER_TAKEN = {
    f"post /v1/{name}"
    for name in (
        "capabilities/{capability}/abort",
        "capabilities/{capability}/promote",
        "capabilities/{capability}/resume",
        "body/begin",
        "body/end",
        "body/renew",
        "body/return",
        "captaincy",
        "decisions/{decision_id}/ballot",
        "decisions/{decision_id}/rate",
        "decisions/{decision_id}/settle",
        "decisions/{decision_id}/take",
        "decisions/{decision_id}/undo",
        "decisions/{decision_id}/vote",
        "escalations/{escalation_id}/hand",
        "escalations/{escalation_id}/resolve",
        "on-call/changes",
    )
}
"""Routes that need a world of their own to be answered with yes: here they only show what they say to no.

For the yes see `test_what_people_answer_keeps_no_secret`.
"""


class Sender:
    """Sends every request there is, with something planted in it, and keeps what is answered."""

    def __init__(self, place: Any, client: httpx.AsyncClient, planter: Planter) -> None:
        self._place, self._client, self._planter = place, client, planter
        self._made = 0
        self.answers: list[bytes] = []
        self.taken: dict[str, set[int]] = {}

    async def send(self, who: str, method: str, url: str, **given: Any) -> httpx.Response:
        headers = self._place.bearer(who) | given.pop("headers", {})
        answer = await self._client.request(method, url, headers=headers, **given)
        self.answers.append(answer.content + json.dumps(dict(answer.headers)).encode())
        assert answer.status_code < 500, (method, url, answer.text)
        return answer

    async def decision(self, wanted: dict[str, Any]) -> dict[str, Any]:
        self._made += 1
        headers = {"Idempotency-Key": f"n-{self._made}"}
        return (await self.send("coder-2", "POST", "/v1/proposals", json=wanted, headers=headers)).json()

    async def path(self, template: str, operation: dict[str, Any]) -> str:
        """A path that leads somewhere."""
        if "{proposal_id}" in template:
            return template.replace("{proposal_id}", (await self.decision(GRANTED))["proposal_id"])
        if "{decision_id}" in template:
            held = (await self.decision(HELD))["decision_id"]
            if "{nth}" in template:
                await self.send("ray", "POST", f"/v1/decisions/{held}/questions", json={"question": "why?"})
            return template.replace("{decision_id}", held).replace("{nth}", "1")
        if "{escalation_id}" in template:
            raised = await self.send("cat", "POST", "/v1/escalations", json={"summary": "it hangs"})
            return template.replace("{escalation_id}", raised.json()["escalation"]["escalation_id"])
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                example = parameter["schema"].get("examples", parameter.get("examples", ["heal"]))
                value = example[0] if isinstance(example, list) else "heal"
                template = template.replace(f"{{{parameter['name']}}}", quote(str(value), safe=""))
        return template

    async def everything(self) -> None:
        for method, template, operation in operations():
            for who in ("lap",) if template.startswith("/v1/body/") else ("coder-2", "cat"):
                for parameter in operation.get("parameters", ()):
                    await self._in_parameter(who, method, template, operation, parameter)
                body = operation.get("requestBody", {}).get("content", {}).get("application/json")
                if body is None:
                    continue
                example = example_of(body["schema"], DOCUMENT)
                for steps, schema in texts_in(body["schema"], DOCUMENT):
                    for value in self._values(schema):
                        url = await self.path(template, operation)
                        answer = await self.send(who, method, url, json=planted(example, steps, value))
                        self.taken.setdefault(f"{method} {template}", set()).add(answer.status_code)

    def _values(self, schema: dict[str, Any]) -> list[Any]:
        make = self._planter
        if schema["type"] == "anything":
            half = make.name()
            return [
                {"service": make.text()},
                {make.name(): {"deep": [1, {"x": f"say {make.text()} twice"}]}},
                {"service": [half[:7], half[7:]]},
                {"service": json.dumps({"x": json.dumps({"y": make.text()})})},
                {"file": f"notes/{make.name()}.md"},
                {"service": base64.b64encode(make.text().encode()).decode()},
            ]
        secret = make.text()
        if not fits(schema, secret):
            secret = make.name()
        prefixed = [f"agent:{make.name()}"] if "agent" in schema.get("pattern", "") else []
        spoken = [] if "pattern" in schema and schema["pattern"] != r"\S" else [f"look: {make.text()}, there"]
        return [secret, *prefixed, *spoken]

    async def _in_parameter(
        self, who: str, method: str, template: str, operation: Any, parameter: Any
    ) -> None:
        name, secret = parameter["name"], self._planter.name()
        if parameter["in"] == "path":
            url = template.replace(f"{{{name}}}", quote(secret, safe=""))
            url = url.replace("{nth}", "1").replace("{proposal_id}", f"coder-2:{secret}")
            await self.send(who, method, url, json={})
        elif parameter["in"] == "query":
            await self.send(who, method, await self.path(template, operation), params={name: secret})
        else:
            url = await self.path(template, operation)
            await self.send(who, method, url, json=ALLOWED, headers={name: secret})


def leaks(texts: dict[str, bytes], secrets: list[str]) -> list[str]:
    return [
        f"{where}: {core_of(secret)} in {form}"
        for where, content in texts.items()
        for secret in secrets
        for form, data in forms_of(secret).items()
        if data in content
    ]


@pytest.mark.slow
@pytest.mark.asyncio
async def test_no_route_keeps_a_secret(place, tmp_path):
    planter, log = Planter(2026), io.StringIO()
    handler = logging.StreamHandler(log)
    log_requests(handler)
    logging.getLogger().addHandler(handler)
    place.token["lap"] = place.tokens.create(kind="body", name="lap")[1]
    try:
        async with place.engine(ladders=ladders()) as live, place.talking(roster=roster(), **MANY) as client:
            sender = Sender(place, client, planter)
            await sender.everything()
            # What runners say, and what is said in an episode.
            engine = EngineClient(place.layout.socket)
            for nth in range(8):
                decided = await sender.decision(ALLOWED)
                output = f"{planter.text()}\nfatal: could not read {planter.name()}.md {planter.text()}"
                await perform(live, decided["decision_id"], "done" if nth % 2 else "failed", output)
                said = MessageObserved(at_us=1, episode="e", source="tool", text=planter.text())
                await engine.ask(wire.Tell(key=f"said-{nth}", fact=said))
            await engine.close()
            for path in (
                "/v1/decisions",
                "/v1/holds",
                "/v1/escalations",
                "/v1/status",
                "/v1/stops",
            ):
                await sender.send("cat", "GET", path)
            live.intake.snapshot()
        assert set(sender.taken) == with_text()
        # What every route refuses reaches no journal, and would prove nothing.
        refused = [name for name, statuses in sender.taken.items() if statuses.isdisjoint({200, 201, 202})]
        assert set(refused) <= NEVER_TAKEN
        assert len(planter.made) > 300
        kept = {
            path.name: path.read_bytes()
            for path in Path(tmp_path).rglob("*")
            if path.is_file() and path.name not in {"tokens.json", "totp.json"}
        }
        assert "journal.db" in kept
        texts = kept | {"log": log.getvalue().encode(), "answers": b"\n".join(sender.answers)}
        assert leaks(texts, planter.made) == []
    finally:
        logging.getLogger().removeHandler(handler)
        for name in ("watchkeeper", "uvicorn.error"):
            logging.getLogger(name).removeHandler(handler)


def test_the_search_for_leaks_can_fail():
    secret = Planter(1).name()
    encoded = base64.b64encode(secret.encode())
    assert leaks({"file": b"x" + encoded}, [secret]) == [f"file: {secret} in base64"]
    assert PERFORMED
