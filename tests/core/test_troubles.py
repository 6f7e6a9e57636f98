"""Troubles: open from when they are found until they are gone, each by its name."""

from engine.core.vocabulary.facts import TroubleFound, TroubleGone
from tests.builders import state_under


def found(trouble, at_us=1, detail=""):
    return TroubleFound(at_us=at_us, trouble=trouble, detail=detail)


def test_a_trouble_is_open_until_it_is_gone():
    state = state_under(None, found("clock"), found("disk"))
    assert set(state.troubles.by_name) == {"clock", "disk"}
    state = state_under(
        None, found("clock"), found("disk"), TroubleGone(at_us=2, trouble="clock", by="engine")
    )
    assert set(state.troubles.by_name) == {"disk"}


def test_found_again_it_keeps_its_first_time():
    state = state_under(None, found("clock", 1, "first"), found("clock", 2, "second"))
    assert state.troubles.by_name["clock"].detail == "first"


def test_one_that_was_never_found_may_be_gone():
    assert state_under(None, TroubleGone(at_us=2, trouble="clock", by="engine")).troubles.by_name == {}
