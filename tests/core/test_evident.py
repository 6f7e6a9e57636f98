"""What a proposal's arguments show that it touches counts, whatever its agent says."""

import msgspec
import pytest

from engine.core.evident import with_evident
from engine.core.vocabulary.actions import Running
from tests.builders import impact, proposal, shipped

NAMES = [f"f{number}" for number in range(11)]


def seen(action, args, **values):
    return with_evident(shipped().actions, proposal(action, args, **values)).impact


@pytest.mark.parametrize(
    ("action", "args", "files"),
    [
        ("file.write", {"path": "a", "content": ""}, 1),
        ("file.delete", {"paths": NAMES}, 11),
        ("file.delete", {"paths": ["a", "./a", "b//c", "b/c"]}, 2),
        ("file.move", {"path": "a", "to": "b"}, 2),
        ("git.commit", {"message": "m", "paths": ["a", "b"]}, 2),
        ("file.read", {"path": "a"}, 0),
        ("cache.clear", {"service": "web"}, 0),
        ("file.delete", {"paths": "a"}, 0),  # of the wrong type: denied as that
        ("no.such", {"path": "a"}, 0),
    ],
)
def test_each_file_that_a_write_names_counts_once(action, args, files):
    assert seen(action, args) == impact(files=files)


def test_what_an_agent_states_beyond_that_is_its_word():
    said = impact(cost_usd="1.50", files=12, api_calls=3)
    assert seen("file.delete", {"paths": NAMES}, impact=said) == said


def test_a_request_of_ours_is_a_call_of_an_api():
    assert seen("http.get", {"url": "http://example.org/"}) == impact(api_calls=1)
    actions = dict(shipped().actions)
    run = Running(runner="shell", timeout_us=1_000_000)
    actions["http.get"] = msgspec.structs.replace(actions["http.get"], run=run)
    other = proposal("http.get", {"url": "http://example.org/"})
    assert with_evident(actions, other) is other
