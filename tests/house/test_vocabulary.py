"""One word, one meaning; facts that cannot change and that somebody folds."""

import ast
import importlib
import inspect
from collections.abc import Mapping

import msgspec
import pytest

from tests.house.checks import synonyms
from tests.house.tree import CORE, VOCABULARY, complaints, hold, modules


def loose_structs(namespace: dict[str, object], module_name: str) -> list[str]:
    """Name each Struct of a module that can be changed, or built by position without being a plain array."""
    found = []
    for name, kind in namespace.items():
        is_ours = (
            isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == module_name
        )
        if not is_ours:
            continue
        if not kind.__struct_config__.frozen:
            found.append(f"{name} is not frozen")
        parameters = inspect.signature(kind).parameters.values()
        by_position = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        if by_position and not kind.__struct_config__.array_like:
            found.append(f"{name} takes {', '.join(by_position)} by position (kw_only is not inherited)")
    return found


def test_words_are_frozen_and_named():
    def check(module):
        return loose_structs(vars(importlib.import_module(module.dotted)), module.dotted)

    hold(
        complaints(modules(VOCABULARY), check),
        "A fact that can be changed after it was decided on proves nothing, and two ids swapped by position "
        "pass every type check. Only array_like structs, whose order is their wire format, go by position.",
    )


def test_the_struct_check_can_fail():
    base = msgspec.defstruct("Base", [("at_us", int)], frozen=True, kw_only=True, module="here")
    bad = {
        "Loose": msgspec.defstruct("Loose", [("a", int)], kw_only=True, module="here"),
        "ByPosition": msgspec.defstruct("ByPosition", [("a", int)], bases=(base,), module="here"),
        "Pair": msgspec.defstruct("Pair", [("a", int)], frozen=True, array_like=True, module="here"),
        "base": base,
        "Elsewhere": msgspec.defstruct("Elsewhere", [("a", int)], module="there"),
    }
    assert [complaint.split()[0] for complaint in loose_structs(bad, "here")] == ["Loose", "ByPosition"]


def declared_facts() -> dict[str, type]:
    """Every kind of fact: the classes in facts.py below `Fact`."""
    facts = importlib.import_module("engine.core.vocabulary.facts")
    return {
        name: kind
        for name, kind in vars(facts).items()
        if isinstance(kind, type) and issubclass(kind, facts.Fact) and kind is not facts.Fact
    }


def unfolded(facts: dict[str, type], folds: Mapping[type, object]) -> list[str]:
    """Name each kind of fact that the fold's table does not list."""
    return [name for name, kind in facts.items() if kind not in folds]


def test_every_fact_can_be_read_back():
    facts = importlib.import_module("engine.core.vocabulary.facts")
    hold(
        declared_facts().keys() - {kind.__name__ for kind in facts.FACT_TYPES.values()},
        "A fact that is missing in AnyFact can be written to the journal and never read again.",
    )


def test_every_fact_is_folded():
    folds = importlib.import_module("engine.core.evolve").FOLDS
    hold(
        unfolded(declared_facts(), folds),
        "A fact that evolve does not list changes nothing: fold it, or take it out of the vocabulary. One "
        "that is meant to change nothing says so in the table.",
    )


def test_the_fold_check_can_fail():
    facts = {"KillSwitchSet": int, "Forgotten": str}
    assert unfolded(facts, {int: "fold"}) == ["Forgotten"]


def test_names_use_the_glossary():
    hold(
        complaints(modules(CORE, "engine/ports"), lambda module: synonyms(module.tree)),
        "One thing has one name from the journal to the chat: who searches for it finds all of it.",
    )


@pytest.mark.parametrize("bad", ["class DeployEvent: ...", "def on_event(): ...", "class HTTPUser: ..."])
def test_the_glossary_check_can_fail(bad):
    assert synonyms(ast.parse(bad))


def test_the_glossary_check_knows_whole_words():
    assert synonyms(ast.parse("class Eventual: ...\nclass ReusedFact: ...\nclass _Event: ...")) == []
