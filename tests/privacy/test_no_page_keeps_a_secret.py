"""A secret sent by agents, printed by programs or typed into any field of the console is on no page."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.web_console.console import TABS
from engine.core.vocabulary.effects import Result
from engine.runtime import wire
from engine.runtime.client import EngineClient
from tests.console.crew import crewed
from tests.http.placing import ALLOWED, DENIED, GRANTED, HELD
from tests.patience import PATIENCE_S
from tests.privacy.crawling import Parsed, walk
from tests.privacy.planting import Planter
from tests.privacy.test_no_route_keeps_a_secret import leaks

pytestmark = pytest.mark.slow


def proposed(bridge: Any, **body: Any) -> httpx.Response:
    return httpx.post(
        f"{bridge.url}/v1/proposals", json=body, headers=bridge.bearer("coder-1"), timeout=PATIENCE_S
    )


def worker(bridge: Any, output: str) -> None:
    """Perform the one effect there is, which prints this."""

    async def work() -> None:
        client = EngineClient(bridge.layout.socket)
        leased = await client.get(wire.Leased, wire.Lease(worker="w", most=4, wait_s=PATIENCE_S))
        (one,) = leased.effects
        key = {"effect_id": one.task.effect_id, "token": one.task.token}
        await client.ask(wire.Start(**key))
        result = Result(success=False, output=output, error=output, execution_time_s=0.0)
        await client.ask(wire.End(**key, status="failed", result=result))
        await client.close()

    asyncio.run(work())


def fill(bridge: Any, planter: Planter) -> None:
    """Agents propose with secrets everywhere they can write; one of these is performed and prints some."""
    for wanted in (ALLOWED, HELD, GRANTED, DENIED):
        said = {"rationale": f"for {planter.text()}", "options": [{"name": "x", "why_not": planter.text()}]}
        assert proposed(bridge, **wanted, **said).status_code < 300
        assert proposed(bridge, **wanted, episode=planter.name()).status_code >= 400
        for args in ({"service": planter.text()}, {"title": "x", f"notes/{planter.name()}.md": "y"}):
            answer = proposed(bridge, **wanted | {"args": args})
            assert answer.json().get("word", "deny") == "deny", answer.text
    worker(bridge, output=f"{planter.text()} fatal: {planter.name()}.md")


def test_no_page_keeps_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    planter, sent, pages = Planter(11), set[tuple[str, ...]](), dict[str, bytes]()
    with crewed(tmp_path / "home") as bridge:
        fill(bridge, planter)
        for person in ("ray", "cat"):
            with bridge.client(person) as client:
                for path, page in list(walk(client)):
                    assert page.status_code < 500, path
                    for form in Parsed(page.text).forms if "html" in page.headers["content-type"] else ():
                        if form.kind in sent or form.action in {"/logout", "/login"}:
                            continue
                        sent.add(form.kind)
                        said = form.filled(lambda: f"{planter.name()} because")
                        how = {"params": said} if form.method == "get" else {"data": said}
                        answer = client.request(form.method.upper(), form.action or path, **how)
                        assert answer.status_code < 500, (form.kind, answer.text[:500])
        with bridge.client("cat") as client:
            pages = {path: page.content for path, page in walk(client)}
            exported = client.get("/console/journal/export")
            assert exported.is_success
            pages["export"] = exported.content
    assert {tab.path for tab in TABS} <= set(pages)
    assert sum(path.startswith("/decisions/d_") for path in pages) >= 4
    # Where nothing was typed or nothing journaled, nothing would be proven.
    assert {kind[0] for kind in sent} >= {"/console/say", "/decisions", "/journal", "/policies/change"}
    assert len(planter.made) > 40
    assert pages["export"].count(b"redacted") > 20
    assert pages["export"].count(b"because") > 20, "what is typed reaches the journal"
    kept = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and path.name not in {"tokens.json", "totp.json"}
    }
    assert any(name.endswith("journal.db") for name in kept)
    texts = kept | pages | {"log": caplog.text.encode(), "names": json.dumps(list(kept)).encode()}
    assert leaks(texts, planter.made) == []
