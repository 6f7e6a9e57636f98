"""A body on its own machine, as far as one machine can show it: real processes, real HTTP, a cable to cut.

Whatever is killed or cut, nothing is done twice, no end is lost, and nothing goes on that nobody counts on.
"""

import json
import os
import random
import signal
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from engine.adapters.token_file import TokenFile
from engine.core.vocabulary.facts import EffectEnded, EffectEndTold, EffectStarted
from tests.fence.stopping import gone, until
from tests.patience import PATIENCE_S
from tests.service.bodies import Homes, bodied
from tests.service.services import Service, eventually

pytestmark = pytest.mark.long
FINAL = {"done", "failed", "unknown", "stopped", "refused"}


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A service with one body, for what neither kills nor cuts."""
    with bodied(tmp_path_factory.mktemp("homes"), workers__lease_s=10.0) as made:
        made.body()
        yield made


def ask(homes: Homes, action: str, **args: object) -> str:
    """Have an agent propose, see it allowed, and return the decision's id."""
    answer = homes.service.propose(action, args)
    assert answer.json()["word"] == "allow", answer.text
    return str(answer.json()["decision_id"])


def came(homes: Homes, decision: str, *statuses: str) -> str:
    """Wait until a decision has one of these statuses."""
    wanted = set(statuses) or FINAL
    eventually(lambda: homes.service.status(decision) in wanted, lambda: homes.service.status(decision))
    return homes.service.status(decision)


def lines(workspace: Path) -> list[str]:
    path = workspace / "appended"
    return path.read_text().split() if path.exists() else []


def test_it_is_done_there_and_taken_back_there(homes):
    body = homes.bodies[0]
    decision = ask(homes, "file.write", path="there.txt", content="hello\n")
    assert came(homes, decision) == "done"
    assert (body.workspace / "there.txt").read_text() == "hello\n"
    assert not (homes.service.workspace / "there.txt").exists()
    starts = {fact.effect_id: fact.worker for fact in homes.service.facts(EffectStarted)}
    assert starts[decision].startswith("lap/")
    undone = homes.service.cli("undo", decision)
    assert undone.returncode == 0, undone.stderr
    assert not (body.workspace / "there.txt").exists()
    assert body.untold() == []


def test_people_see_which_bodies_there_are(homes):
    eventually(lambda: "body      lap (dev): version" in homes.service.cli("status").stdout)
    looked = homes.service.cli("doctor", "--config", str(homes.service.config)).stdout
    assert "bodies       lap, version" in looked
    link = urlsplit(homes.service.cli("console", "--no-open").stdout.strip())
    origin = f"{link.scheme}://{link.netloc}"
    with httpx.Client(base_url=origin, trust_env=False, timeout=PATIENCE_S) as browser:
        form = {"key": parse_qs(link.query)["key"][0], "next": "/agents"}
        assert browser.post(link.path, data=form, headers={"Origin": origin}).status_code == 303
        page = browser.get("/agents").text
    assert "<h2>Bodies</h2>" in page
    assert '<th scope="row">lap</th>' in page


def test_what_the_registry_leaves_here_is_done_here(homes):
    decision = ask(homes, "note.fail")
    assert came(homes, decision) == "failed"
    (start,) = [fact for fact in homes.service.facts(EffectStarted) if fact.effect_id == decision]
    assert start.worker.startswith("worker-1")


def test_what_it_printed_is_in_the_journal_without_its_secrets(homes):
    secret = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" * 2
    body = homes.bodies[0]
    (body.workspace / "secret").write_text(secret)
    decision = ask(homes, "shell.run", command="echo fine; cat secret")
    if came(homes, decision) == "refused":
        pytest.skip("no sandbox here")
    (end,) = [fact for fact in homes.service.facts(EffectEnded) if fact.effect_id == decision]
    assert "fine" in end.result.output
    assert secret not in end.result.output


def test_the_kill_switch_ends_it_there(homes):
    took = []
    for number in range(5):
        decision = ask(homes, "note.put", name=f"k{number}", pause_s=900)
        eventually(homes.bodies[0].effect_processes)
        began = time.perf_counter()
        assert homes.service.post("/v1/kill", scope="all", reason="drill").status_code == 200
        eventually(lambda: not homes.bodies[0].effect_processes())
        took.append((time.perf_counter() - began) * 1000)
        assert came(homes, decision) == "stopped"
        assert homes.service.cli("resume", "all", "--reason", "over").returncode == 0
    print(f"kill switch to nothing left on the body: {sorted(round(one) for one in took)} ms")


def test_its_owner_stops_it_without_the_engine(homes):
    body = homes.bodies[0]
    decision = ask(homes, "note.put", name="owner", pause_s=900)
    eventually(body.effect_processes)
    stopped = body.cli("stop", "--reason", "mine")
    assert stopped.returncode == 0, stopped.stderr
    assert body.effect_processes() == []
    assert came(homes, decision) == "stopped"
    waits = ask(homes, "note.put", name="later", pause_s=0)
    assert "STOPPED   all" in body.cli("status").stdout
    time.sleep(1.5)
    assert homes.service.status(waits) == "queued"
    assert "resumed: all" in body.cli("resume").stdout
    assert came(homes, waits) == "done"


def test_what_is_not_on_its_list_is_refused(tmp_path):
    with bodied(tmp_path, workers__lease_s=10.0) as homes:
        body = homes.body(accepts=("file.write",))
        decision = ask(homes, "note.put", name="a", pause_s=0)
        assert came(homes, decision) == "refused"
        (end,) = homes.service.facts(EffectEnded)
        assert "not on the list of this body" in end.result.error
        assert homes.service.facts(EffectStarted) == []
        # The same name with another meaning is no better: its owner agreed to something else.
        path = body.folder / "actions.yaml"
        body.stop()
        path.write_text(path.read_text().replace("operation: write", "operation: create"))
        body.start()
        decision = ask(homes, "file.write", path="x", content="y")
        assert came(homes, decision) == "refused"
        assert "another file.write than this body" in homes.service.facts(EffectEnded)[-1].result.error


def test_a_token_of_another_kind_starts_no_body(homes):
    tokens = TokenFile(homes.service.layout.tokens)
    body = homes.bodies[0]
    for token in (tokens.create(kind="agent", name="nosy")[1], "wk_wrong"):
        refused = body.cli(WATCHKEEPER_TOKEN=token)
        assert refused.returncode == 78
        assert "watchkeeper token create --body NAME" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


def test_of_two_bodies_one_does_each(tmp_path):
    with bodied(tmp_path, workers__lease_s=10.0) as homes:
        pair = [homes.body("lap"), homes.body("desk")]
        eventually(lambda: "body      lap" in (said := homes.service.cli("status").stdout) and "desk" in said)
        decisions = [ask(homes, "note.append", line=f"n{number}", pause_s=0.05) for number in range(24)]
        for decision in decisions:
            assert came(homes, decision) == "done"
        done = [line for body in pair for line in lines(body.workspace)]
        assert sorted(done) == sorted(f"n{number}" for number in range(24))
        assert all(lines(body.workspace) for body in pair), "one of them did everything"


def test_killed_in_the_middle_nobody_knows_and_nobody_tries_again(tmp_path):
    with bodied(tmp_path, workers__lease_s=10.0) as homes:
        body = homes.body()
        # Called idempotent; but what is on another machine may be under way there still.
        decision = ask(homes, "note.put", name="once", pause_s=30)
        eventually(body.effect_processes)
        os.kill(body.hands(), signal.SIGKILL)
        assert came(homes, decision) == "unknown"
        assert body.effect_processes() == [], "what it had begun went on"
        homes.service.tells("waiting", decision)
        eventually(lambda: body.untold() == [])
        time.sleep(1)
        assert not (body.workspace / "put-once").exists()
        assert len(homes.service.facts(EffectStarted)) == 1


def test_killed_before_its_report_was_heard_it_reports_afterwards(tmp_path):
    with bodied(tmp_path, workers__lease_s=60.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.append", line="told-later", pause_s=1)
        eventually(body.effect_processes)
        homes.cable.cut()
        eventually(lambda: body.untold() == [f"{decision} ended"])
        body.kill()
        homes.cable.join()
        assert homes.service.status(decision) == "running"
        body.start()
        assert came(homes, decision) == "done"
        assert lines(body.workspace) == ["told-later"]
        eventually(lambda: body.untold() == [])


def test_the_engine_killed_meanwhile_hears_how_it_ended(tmp_path):
    with bodied(tmp_path, workers__lease_s=20.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.append", line="kept", pause_s=1.5)
        eventually(body.effect_processes)
        homes.service.send(signal.SIGKILL, "engine")
        assert came(homes, decision) == "done"
        assert lines(body.workspace) == ["kept"]


def test_cut_off_it_ends_by_itself_when_its_lease_is_over(tmp_path):
    with bodied(tmp_path, workers__lease_s=2.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.put", name="far", pause_s=900)
        eventually(body.effect_processes)
        homes.cable.cut()
        began = time.perf_counter()
        eventually(lambda: not body.effect_processes())
        print(f"cut off, it ended by itself after {time.perf_counter() - began:.2f} s of a lease of 2 s")
        waits = ask(homes, "note.put", name="after", pause_s=0)
        assert came(homes, decision) == "unknown"
        homes.service.tells("waiting", decision)
        assert homes.service.status(waits) == "queued", "nothing begins with the engine out of reach"
        homes.cable.join()
        assert came(homes, waits) == "done"
        eventually(lambda: body.untold() == [])
        assert not (body.workspace / "put-far").exists()


def test_what_it_knew_while_it_was_cut_off_is_told_though_it_was_given_up(tmp_path):
    with bodied(tmp_path, workers__lease_s=3.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.append", line="alone", pause_s=0.6)
        eventually(body.effect_processes)
        homes.cable.cut()
        assert came(homes, decision) == "unknown"
        assert lines(body.workspace) == ["alone"]
        homes.cable.join()
        eventually(lambda: homes.service.facts(EffectEndTold))
        (told,) = homes.service.facts(EffectEndTold)
        assert (told.effect_id, told.status, told.body) == (decision, "done", "lap")


def test_standing_still_it_does_not_outlive_its_lease(tmp_path):
    with bodied(tmp_path, workers__lease_s=2.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.put", name="still", pause_s=900)
        eventually(body.effect_processes)
        os.kill(body.hands(), signal.SIGSTOP)
        eventually(lambda: not body.effect_processes())
        assert came(homes, decision) == "unknown"
        os.kill(body.hands(), signal.SIGCONT)
        eventually(lambda: body.untold() == [])
        assert came(homes, ask(homes, "note.put", name="well", pause_s=0)) == "done"


def test_the_kill_switch_reaches_it_with_the_engine_standing_still(tmp_path):
    with bodied(tmp_path, workers__lease_s=60.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.put", name="deaf", pause_s=900)
        eventually(body.effect_processes)
        homes.service.send(signal.SIGSTOP, "engine")
        began = time.perf_counter()
        (homes.service.layout.stops / "all").touch()
        eventually(lambda: not body.effect_processes())
        print(
            f"engine wedged, from `touch stops/all` to quiet: {(time.perf_counter() - began) * 1000:.0f} ms"
        )
        homes.service.send(signal.SIGCONT, "engine")
        assert came(homes, decision) == "stopped"


def test_a_revoked_token_ends_what_it_holds(tmp_path):
    with bodied(tmp_path, workers__lease_s=2.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.put", name="gone", pause_s=900)
        eventually(body.effect_processes)
        tokens = TokenFile(homes.service.layout.tokens)
        (entry,) = [one for one in tokens.entries() if one.kind == "body"]
        tokens.revoke(entry.id)
        eventually(lambda: not body.effect_processes())
        assert came(homes, decision) == "unknown"


def test_killed_over_and_over_nothing_is_done_twice_and_no_end_is_lost(tmp_path):
    seed = int(os.environ.get("SEED", "7"))
    chance = random.Random(seed)
    with bodied(tmp_path, workers__lease_s=4.0) as homes:
        body = homes.body()
        decisions = {}
        for number in range(14):
            line = f"n{number}"
            decisions[line] = ask(homes, "note.append", line=line, pause_s=round(chance.uniform(0, 0.5), 2))
            if number % 2:
                if chance.random() < 0.7:
                    until(body.effect_processes, within_s=5)
                time.sleep(chance.uniform(0, 0.4))
                victim = chance.choice(["hands", "engine", "all"])
                if victim == "engine":
                    homes.service.send(signal.SIGKILL, "engine")
                elif victim == "hands":
                    os.kill(body.hands(), signal.SIGKILL)
                else:
                    body.kill()
                    body.start()
        for decision in decisions.values():
            came(homes, decision)
        eventually(lambda: body.untold() == [])
        assert until(lambda: not body.effect_processes(), within_s=PATIENCE_S)
        done = lines(body.workspace)
        assert len(done) == len(set(done)), (seed, done)
        statuses = homes.service.statuses()
        told = {fact.effect_id: fact.status for fact in homes.service.facts(EffectEndTold)}
        for line, decision in decisions.items():
            status = told.get(decision, statuses[decision])
            assert status != "done" or line in done, (seed, line, status)
            assert status != "refused" or line not in done, (seed, line, status)
        print(f"seed {seed}: {json.dumps(sorted(statuses[decision] for decision in decisions.values()))}")


def test_a_dead_body_leaves_nothing_behind_for_the_next(tmp_path):
    with bodied(tmp_path, workers__lease_s=60.0) as homes:
        body = homes.body()
        decision = ask(homes, "note.put", name="orphan", pause_s=900)
        eventually(body.effect_processes)
        orphans = body.effect_processes()
        body.kill()
        body.start()
        assert came(homes, decision) == "unknown"
        assert all(map(gone, orphans))


def test_a_kill_needs_no_journal_that_can_be_read(tmp_path):
    made = Service(tmp_path)
    made.home.mkdir()
    made.layout.journal.write_text("no journal at all\n" * 500)
    killed = made.cli("kill")
    assert killed.returncode == 0, killed.stderr
    assert "nobody can say whether bodies" in killed.stdout
    assert (made.layout.stops / "all").exists()
