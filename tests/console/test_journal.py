"""The journal on pages: every record, what proves it, and what becomes of one that was altered."""

import asyncio
import contextlib
import hashlib
import json
import re
import time

import apsw
import pytest
from playwright.async_api import Error, Route, expect

from engine.adapters.journal_export import verify_export
from engine.core.vocabulary.chain import GENESIS
from engine.core.vocabulary.units import time_text
from tests.console.bridge import Bridge, Watcher, watching
from tests.http.placing import ALLOWED
from tests.patience import PATIENCE_S

RECORDS = "/console/journal/records"
EXPORT = "/console/journal/export"
PROOF = "/journal/verify"
SPOIL = """UPDATE journal SET body = replace(body, '"at_us":1', '"at_us":2') WHERE seq = {}"""


def numbers(page):
    """Return the records in a list, in its order."""
    return [int(found) for found in re.findall(r'<tr data-open="/journal/(\d+)"', page)]


def frames(body):
    """Cut up what a browser gets: what is hashed, and the hash that is stored."""
    found = []
    while body:
        size = int.from_bytes(body[:4])
        found.append((body[4 : 4 + size], body[4 + size : 36 + size]))
        body = body[36 + size :]
    return found


def tamper(bridge, sql):
    """Change the file behind the engine's back, as another program would."""
    connection = apsw.Connection(str(bridge.layout.journal))
    triggers = list(connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"))
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(sql)
    for _, made in triggers:
        connection.execute(made)
    connection.close()


def test_the_list_is_newest_first_and_pages_through_all_of_it(bridge):
    for _ in range(30):
        bridge.propose(**ALLOWED)
    with bridge.client("vic") as vic:
        head = bridge.journal().head().seq
        seen, address = [], "/journal"
        while address:
            page = vic.get(address).text
            seen += numbers(page)
            older = re.search(r'rel="next" href="([^"]+)"', page)
            address = older[1].replace("&amp;", "&") if older else ""
        assert head > 60
        assert sorted(seen, reverse=True) == seen
        assert set(range(1, head + 1)) <= set(seen)
        kind = vic.get("/journal?fact=proposal_received").text
        assert len(numbers(kind)) == 30
        assert "verdict_reached</td>" not in kind


def test_one_jumps_to_a_record_and_to_a_time(bridge):
    bridge.propose(**ALLOWED)
    third = next(bridge.journal().read(after=2, until=3))
    at_us = json.loads(third.body)["at_us"]
    with bridge.client("vic") as vic:
        assert numbers(vic.get("/journal?at=2").text) == [2, 1]
        assert numbers(vic.get("/journal?at=999,999").text)[-1] == 1
        later = numbers(vic.get(f"/journal?at={time_text(at_us)}").text)
        assert 3 in later
        assert numbers(vic.get("/journal?at=2001-01-01").text) == []
        wrong = vic.get("/journal?at=yesterday")
        assert wrong.status_code in {400, 422}
        assert "2026-11-27 14:00" in wrong.text


def test_a_record_has_a_page_with_its_bytes_proof_and_neighbours(bridge):
    bridge.propose(**ALLOWED)
    record = next(bridge.journal().read(after=1, until=2))
    with bridge.client("vic") as vic:
        page = vic.get("/journal/2").text
        assert record.hash.hex() in page
        assert record.prev.hex() in page
        assert 'href="/journal/1"' in page
        assert 'href="/journal/3"' in page
        assert "Its hash fits its bytes" in page
        raw = vic.get("/journal/2/raw")
        assert raw.content == record.body
        assert raw.headers["content-disposition"].startswith("attachment")
        for nothing in ("/journal/999999", "/journal/999999/raw"):
            assert vic.get(nothing).status_code == 404
        assert vic.get("/journal/0").status_code in {404, 422}


def test_what_a_browser_gets_is_what_is_hashed_and_an_export_proves_itself(bridge, tmp_path):
    for _ in range(5):
        bridge.propose(**ALLOWED)
    with bridge.client("vic") as vic:
        answer = vic.get(RECORDS)
        last = GENESIS
        for seq, (hashed, stored) in enumerate(frames(answer.content), 1):
            assert hashed[:33] == b"\0" + last
            assert int.from_bytes(hashed[33:41]) == seq
            last = hashlib.sha256(hashed).digest()
            assert last == stored
        assert int(answer.headers["x-journal-last"]) == seq
        later = frames(vic.get(f"{RECORDS}?after={seq - 1}").content)
        assert later[0][1] == last
        kept = tmp_path / "kept.jsonl"
        kept.write_bytes(vic.get(EXPORT).content)
    head = verify_export(kept)
    assert head.seq >= seq
    assert bridge.journal().verify(anchor=head).seq >= head.seq


def test_nobody_reads_the_journal_without_a_session(bridge):
    with bridge.client() as stranger:
        for path in (RECORDS, EXPORT, "/journal/1/raw"):
            assert stranger.get(path, headers={"Accept": "*/*"}).status_code == 401
        assert stranger.post("/console/journal/check").status_code == 401


def test_the_server_checks_and_names_what_was_altered(bridge):
    bridge.propose(**ALLOWED)
    with bridge.client("vic") as vic:

        def checked(found):
            assert vic.post("/console/journal/check").status_code == 303
            end = time.monotonic() + PATIENCE_S
            while found not in (page := vic.get(PROOF).text):
                assert time.monotonic() < end, page
                time.sleep(0.1)
            return page

        assert "by vic" in checked("All fits")
        tamper(bridge, SPOIL.format(2))
        assert "record 2 was altered" in checked("Broken")
        assert "Altered: its hash does not fit its bytes" in vic.get("/journal/2").text


def test_what_cannot_be_read_is_said_to_the_browser(bridge):
    bridge.propose(**ALLOWED)
    tamper(bridge, "UPDATE journal SET hash = x'00' WHERE seq = 2")
    with bridge.client("vic") as vic:
        assert len(frames(vic.get(f"{RECORDS}?after=2").content)) >= 1
        broken = vic.get(RECORDS, headers={"X-Console": "part"})
        assert (broken.status_code, broken.headers["x-journal-broken"]) == (503, "yes")
        assert "record 2" in broken.json()["detail"]


def test_with_the_engine_away_it_is_all_there(tmp_path):
    place = Bridge(tmp_path)
    with place.up():
        place.propose(**ALLOWED)
    with place.up(engine=False), place.client("vic") as vic:
        assert numbers(vic.get("/journal").text)
        assert vic.get("/journal/1").status_code == 200
        assert frames(vic.get(RECORDS).content)
    place.close()


@pytest.mark.asyncio
async def test_a_browser_verifies_goes_on_and_finds_the_first_break(bridge, browser):
    for _ in range(8):
        bridge.propose(**ALLOWED)
    async with watching(browser, bridge, "vic") as vic:
        await vic.go(PROOF)
        await vic.page.click("[data-verify=begin]")
        await vic.page.wait_for_selector("#verify[data-done=ok]")
        assert "records fit" in await vic.page.inner_text("#verify-said")
        bridge.propose(**ALLOWED)
        await vic.go(PROOF)
        await vic.page.click("[data-verify=on]")
        await vic.page.wait_for_selector("#verify[data-done=ok]")
        head = bridge.journal().head()
        assert f"{head.seq}:{head.hash.hex()}" in await vic.page.inner_text("#verify-said")
        tamper(bridge, SPOIL.format(5))
        await vic.go(PROOF)
        await vic.page.click("[data-verify=begin]")
        await vic.page.wait_for_selector("#verify[data-done=no]")
        assert "Record 5 was altered" in await vic.page.inner_text("#verify-said")
        assert await vic.page.get_attribute("#verify-said a", "href") == "/journal/5"
        assert vic.complaints == []


@pytest.mark.asyncio
async def test_a_browser_stops_forgets_and_finds_what_was_rewritten_or_cut_off(bridge, browser, tmp_path):
    for _ in range(8):
        bridge.propose(**ALLOWED)
    async with watching(browser, bridge, "vic") as vic:
        said, verify = vic.page.locator("#verify-said"), "[data-verify={}]".format

        async def pressed(name: str, end: str) -> str:
            await vic.go(PROOF)
            await vic.page.click(verify(name))
            await vic.page.wait_for_selector(f"#verify[data-done={end}]")
            return await said.inner_text()

        # Stopped before the first bytes came, it says how far it is, and can begin anew.
        waits = asyncio.Event()

        async def later(route: Route) -> None:
            await waits.wait()
            with contextlib.suppress(Error):
                await route.continue_()

        await vic.page.route(f"**{RECORDS}*", later)
        await vic.go(PROOF)
        await vic.page.click(verify("begin"))
        await vic.page.click(verify("stop"))
        await expect(said).to_contain_text("Stopped after record 0")
        waits.set()
        await vic.page.unroute_all()
        assert "records fit" in await pressed("begin", "ok")

        # A journal may be in order in itself, and still not be the one that was verified.
        first = bridge.journal().head()
        await note(vic, first.seq, "0" * 64)
        for name in ("on", "begin"):
            assert "history was rewritten" in await pressed(name, "no")
            assert await vic.page.get_attribute("#verify-said a", "href") == f"/journal/{first.seq}"
        await note(vic, first.seq + 1_000, first.hash.hex())
        for name in ("on", "begin"):
            assert "the end was cut off" in await pressed(name, "no")

        await vic.page.click(verify("forget"))
        await expect(said).to_contain_text("Forgotten")
        assert await vic.page.is_hidden(verify("on"))
        assert "records fit" in await pressed("begin", "ok")
        async with vic.page.expect_download() as download:
            await vic.page.click(f"a[href='{EXPORT}']")
        await (await download.value).save_as(tmp_path / "kept.jsonl")
        assert verify_export(tmp_path / "kept.jsonl").seq >= first.seq
        assert vic.complaints == []


async def note(watcher: Watcher, seq: int, head: str) -> None:
    """Have a browser remember that it verified another journal than the one that is there."""
    await watcher.page.evaluate(
        "([seq, hash]) => localStorage.setItem('journal-verified', JSON.stringify({ seq, hash }))",
        [seq, head],
    )
