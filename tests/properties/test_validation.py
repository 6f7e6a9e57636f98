"""Validation never raises, and passes exactly what the registry describes."""

from hypothesis import given
from hypothesis import strategies as st

from engine.core.gates import validation
from engine.core.vocabulary.actions import Action, Parameter
from tests.builders import proposal, shipped
from tests.drawn_texts import json_args, json_scalars, json_values
from tests.strategies import ACTIONS, args_for

TYPES = ["string", "integer", "number", "boolean", "path", "command", "email", "url", "list", "object", "any"]


@st.composite
def parameters(draw):
    kind = draw(st.sampled_from(TYPES))
    return Parameter(
        type=kind,
        required=draw(st.booleans()),
        nullable=draw(st.booleans()),
        items=draw(st.none() | st.sampled_from(TYPES)) if kind == "list" else None,
        choices=draw(st.none() | st.lists(json_scalars, max_size=3).map(tuple)),
    )


registries = st.dictionaries(st.sampled_from(["path", "paths", "to", "x"]), parameters(), max_size=4)


@given(registries, json_args | st.dictionaries(st.sampled_from(["path", "to", "x"]), json_values))
def test_any_arguments_get_an_answer_that_names_every_wrong_field(registry, args):
    action = Action(name="try", kind="write", risk="LOW", parameters=registry)
    said = validation.judge({"try": action}, proposal("try", args))
    assert said.ruling in ("allow", "deny")
    for name, parameter in registry.items():
        if name not in args and parameter.required:
            assert f"{name}: expected" in said.reason
    assert (said.ruling == "deny") == bool(said.reason)
    if args.keys() - registry.keys():
        assert said.ruling == "deny"
        assert "takes no such argument" in said.reason


@given(st.data(), st.sampled_from(ACTIONS[:-1]))
def test_arguments_made_from_the_registry_are_valid(data, name):
    args = data.draw(args_for(name))
    assert validation.judge(shipped().actions, proposal(name, args)).ruling == "allow"


@given(st.data(), st.sampled_from(ACTIONS[:-1]))
def test_taking_any_needed_argument_away_is_found(data, name):
    args = data.draw(args_for(name))
    needed = [key for key, p in shipped().actions[name].parameters.items() if p.required]
    gone = data.draw(st.sampled_from(needed))
    del args[gone]
    said = validation.judge(shipped().actions, proposal(name, args))
    assert f"{gone}: expected {shipped().actions[name].parameters[gone].type}" in said.reason or (
        shipped().actions[name].parameters[gone].choices is not None
        and f"{gone}: expected one of" in said.reason
    )


@given(st.text().filter(lambda name: name not in shipped().actions), json_args)
def test_no_action_outside_the_registry_is_valid(name, args):
    assert validation.judge(shipped().actions, proposal(name, args)).ruling == "deny"
