"""Policies: what each rule did, and a change that is tried on history and changes nothing that decides."""

import hashlib
import re
import time
from pathlib import Path

import httpx
import pytest

from engine.errors import InputError, PolicyError
from engine.wiring import SHIPPED_POLICY
from engine.wiring.drafts import MOST_KEPT, PolicyDrafts
from tests.console.bridge import watching
from tests.http.placing import HELD
from tests.patience import PATIENCE_S

SAY = "/console/say"
RULES = (SHIPPED_POLICY / "rules.yaml").read_text()
STRICTER = RULES + '\n  - id: nothing-at-all\n    when: "true"\n    ruling: deny\n    reason: it is a test\n'


def change(client: httpx.Client, text: str, **given: str) -> httpx.Response:
    fields = {"file": "rules.yaml", "folder": "", "recording": "demo", "text": text} | given
    return client.post("/policies/change", data=fields)


def state_of(folder: Path) -> str:
    """Sum up everything in a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        found.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return found.hexdigest()


def test_the_policy_in_force_is_shown_line_by_line_beside_what_its_rules_did(bridge):
    proposal = {"action": "shell.run", "args": {"command": "cat /etc/shadow"}, "capability": "heal@1"}
    held = bridge.propose(**HELD | proposal)
    with bridge.client("ray") as ray:
        ray.post(SAY, data={"line": f"deny {held['decision_id']} no"})
        page = ray.get("/policies").text
    assert page.count('<li id="l') == len(RULES.splitlines())
    assert '<li id="l3"><code>rules:</code></li>' in page
    assert "    when: kind == &#34;write&#34; &amp;&amp; untrusted_targets &gt; 0" in page
    line = next(nth for nth, each in enumerate(RULES.splitlines(), 1) if "untrusted-target" in each)
    assert f"#l{line}" in page
    assert "1 refused" in page


def test_every_file_is_shown_and_no_other(bridge):
    with bridge.client("vic") as vic:
        for name in ("limits", "risk", "thresholds", "actions", "rollouts", "voting", "captaincy"):
            assert vic.get(f"/policies?file={name}.yaml").status_code == 200
        for wrong in ("file=../people.yaml", "file=/etc/passwd", "folder=..", "folder=../config/policies"):
            answer = vic.get(f"/policies?{wrong}")
            assert answer.status_code == 422
            assert "root:" not in answer.text


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            RULES + "\n  - id: bad\n    when: risk_scoer > 3\n    ruling: deny\n    reason: x\n",
            "rules.yaml:",
            "risk_scoer",
        ),
        (RULES + "\n  - id: bad\n    whne: true\n", "rules.yaml:", "unknown key"),
        ("rules: [", "rules.yaml:", "not valid YAML"),
        ("", "rules.yaml:1", "not a mapping"),
        ("rules: &a [*a]", "rules.yaml", ""),
    ],
)
def test_a_change_that_does_not_work_says_where_and_is_not_lost(bridge, text, line, said):
    before = state_of(bridge.service.config / "policies")
    with bridge.client("ray") as ray:
        answer = change(ray, text)
    assert answer.status_code == 422
    assert line in answer.text
    assert said in answer.text
    assert str(bridge.layout.home) not in answer.text.partition("<textarea")[0]
    assert state_of(bridge.service.config / "policies") == before
    assert not list((bridge.layout.home / "replays").glob("drafts/draft-*"))
    if said:
        last = text.splitlines()[-1] if text else ""
        assert last.replace('"', "&#34;").replace(">", "&gt;") in answer.text


def test_who_may_try_and_who_may_keep(bridge):
    with bridge.client("vic") as vic:
        assert "takes a responder" in vic.get("/policies/change").text
        assert change(vic, STRICTER).status_code == 403
    with bridge.client("ray") as ray:
        line = {"line": "policy save", "with-draft": "draft-0123456789abcdef", "with-name": "mine"}
        assert "takes a captain" in ray.post(SAY, data=line).text
    with bridge.client("cat") as cat:
        assert "there is no draft" in cat.post(SAY, data=line).text


def test_a_change_is_tried_on_history_and_kept_beside_the_policy_in_force(bridge):
    before = state_of(bridge.service.config / "policies")
    with bridge.client("cat") as cat:
        begun = change(cat, STRICTER)
        assert begun.status_code == 303, begun.text
        address = begun.headers["location"]
        until = time.monotonic() + PATIENCE_S
        while "Newly stopped" not in (page := cat.get(address).text):
            assert time.monotonic() < until, page
            assert "failed" not in page, page
            time.sleep(0.3)
        assert re.search(r"<dt>Newly allowed</dt><dd>0", page)
        assert re.search(r"<dt>Newly stopped</dt><dd>[1-9]", page)
        assert '<span class="add">+  - id: nothing-at-all</span>' in page
        assert "nothing-at-all" in page.partition("Decisions that would be others")[2]
        draft = re.search(r'name="with-draft" value="(draft-[0-9a-f]{16})"', page)[1]
        keep = {"line": "policy save", "with-draft": draft, "with-name": "stricter", "reason": "a test"}
        assert "Kept as stricter" in cat.post(SAY, data=keep).text
        assert "there is a policy stricter already" in cat.post(SAY, data=keep).text
        assert "cannot be the name" in cat.post(SAY, data=keep | {"with-name": "in-force"}).text
        assert "no name for a folder" in cat.post(SAY, data=keep | {"with-name": "../../config"}).text
        assert "nothing-at-all" in cat.get("/policies?folder=stricter").text
        assert "nothing-at-all" not in cat.get("/policies").text
    assert (bridge.layout.home / "policies" / "stricter" / "rules.yaml").read_text() == STRICTER
    assert not (bridge.layout.home / "policies" / "stricter" / "draft.json").exists()
    assert state_of(bridge.service.config / "policies") == before


def test_drafts_are_checked_named_after_what_they_say_and_forgotten_in_time(tmp_path):
    drafts = PolicyDrafts(tmp_path / "drafts", in_force=SHIPPED_POLICY, policies=tmp_path / "policies")
    one = drafts.make("rules.yaml", STRICTER)
    assert drafts.make("rules.yaml", STRICTER.replace("\n", "\r\n")) == one
    with pytest.raises(PolicyError, match=r"^rules.yaml:\d+: "):
        drafts.make("rules.yaml", STRICTER + "  - id: nothing-at-all\n")
    for nth in range(MOST_KEPT):
        drafts.make("rules.yaml", f"{STRICTER}# {nth}\n")
    assert len(list((tmp_path / "drafts").iterdir())) == MOST_KEPT
    with pytest.raises(InputError, match="there is no draft"):
        drafts.keep(one.name, "late")
    with pytest.raises(InputError, match="there is no file"):
        drafts.make("../rules.yaml", STRICTER)


@pytest.mark.asyncio
async def test_a_responder_tries_a_change_in_the_browser_and_a_captain_keeps_it(bridge, browser):
    async with watching(browser, bridge, "ray") as ray, watching(browser, bridge, "cat") as cat:
        await ray.go("/policies/change?file=rules.yaml")
        shown = await ray.page.input_value("textarea")
        assert shown.rstrip("\n") == RULES.rstrip("\n")
        await ray.page.fill("textarea", STRICTER)
        await ray.page.click("button.good")
        await ray.page.wait_for_url("**/policies/tries/r*")
        await ray.page.wait_for_selector("#found .figure")
        assert "A captain may keep it" in await ray.page.inner_text("main")
        await cat.go(ray.page.url.removeprefix(bridge.url))
        assert "Kept as stricter" in await cat.press(
            "Keep", within="#keep", with_name="stricter", reason="quiet"
        )
        assert (bridge.layout.home / "policies" / "stricter" / "rules.yaml").read_text() == STRICTER
        await ray.go("/policies?folder=stricter")
        await ray.shows("main", "nothing-at-all")
        assert ray.complaints == cat.complaints == []
