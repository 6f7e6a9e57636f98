"""`watchkeeper propose`: what cannot be sent, and what is wrong with what was sent, is said in one line."""

import pytest
from click.testing import CliRunner

from watchkeeper.cli import main


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--confidence", "nan"], "cannot be sent"),
        (["path=a\udcff"], "cannot be sent"),
        (["--key", "kéy"], "cannot be sent"),
        (["--confidence", "7"], "body/confidence: "),
        (["--wait", "100"], "query/wait_s: "),
    ],
)
def test_a_wrong_proposal_is_named_in_one_line(place, monkeypatch, more, said):
    monkeypatch.setenv("WATCHKEEPER_HOME", str(place.layout.home))
    monkeypatch.setenv("WATCHKEEPER_TOKEN", place.token["coder-1"])
    with place.served():
        told = CliRunner().invoke(main, ["propose", "cache.clear", "--capability", "heal@1", *more])
    assert told.exit_code == 2, told.output
    assert said in told.output
    assert len(told.output.splitlines()) == 1
