"""A governed function runs after a grant, with what was proposed, and never else; its outcome is reported."""

import asyncio
import threading

import httpx
import pytest

from tests.patience import PATIENCE_S
from watchkeeper import (
    Client,
    Denied,
    Forbidden,
    Held,
    Impact,
    Invalid,
    Killed,
    NotAllowed,
    Performed,
    Shadowed,
    Unreachable,
    Vetoed,
    episode,
    governed,
)

RULE = {"action": "ticket.create", "capability": "heal@1", "confidence": 0.9}


def newest(captain):
    return captain.http.get("/v1/decisions").json()["decisions"][0]


def test_it_runs_after_a_grant_and_the_outcome_is_reported(service, captain):
    @governed(
        **RULE, impact=lambda title, body="": Impact(api_calls=1), rationale=lambda title, body="": title
    )
    def ticket(title: str, body: str = "") -> str:
        """Make one."""
        return f"{title}: {body}"

    assert ticket("a", body="b") == "a: b"
    assert (ticket.__name__, ticket.__doc__) == ("ticket", "Make one.")
    made = newest(captain)
    assert (made["status"], captain.outcome(made["decision_id"])["ok"]) == ("granted", True)
    explained = captain.http.get(f"/v1/decisions/{made['decision_id']}/explain").json()
    assert '"title"' in str(explained).replace("'", '"')


def test_what_it_raises_is_raised_and_reported(service, captain):
    @governed(**RULE)
    def ticket(title: str, body: str) -> None:
        raise RuntimeError("the tracker is full")

    with pytest.raises(RuntimeError, match="full"):
        ticket("a", "b")
    outcome = captain.outcome(newest(captain)["decision_id"])
    assert (outcome["ok"], "the tracker is full" in outcome["detail"]) == (False, True)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"action": "no.such"}, Denied),
        ({"capability": "edit@1"}, Shadowed),
        ({"confidence": 0.5}, Held),
        ({"action": "cache.clear", "args": lambda *given: {"service": "web"}}, Performed),
    ],
)
@pytest.mark.parametrize("form", ["plain", "async"])
def test_it_does_not_run_without_a_grant(service, change, error, form):
    ran = []

    if form == "plain":

        @governed(**RULE | change)
        def act(title: str, body: str) -> None:
            ran.append(title)

        def call():
            act("a", "b")
    else:

        @governed(**RULE | change)
        async def act(title: str, body: str) -> None:
            ran.append(title)

        def call():
            asyncio.run(act("a", "b"))

    with pytest.raises(error):
        call()
    assert ran == []


def test_an_async_function_is_governed_and_belongs_to_its_task_s_episode(service, captain):
    @governed(**RULE)
    async def ticket(title: str, body: str) -> str:
        await asyncio.sleep(0)
        return title

    async def work(name: str) -> str:
        async with episode(name):
            return await ticket(name, "b")

    async def both():
        return await asyncio.gather(work("ep-1"), work("ep-2"))

    assert asyncio.run(both()) == ["ep-1", "ep-2"]
    made = captain.http.get("/v1/decisions").json()["decisions"]
    assert {each["episode"] for each in made} == {"ep-1", "ep-2"}
    assert all(captain.outcome(each["decision_id"])["ok"] for each in made)


def test_an_async_function_that_a_decorator_hides_does_not_run_later(service, captain):
    ran = []

    def hiding(function):
        def plain(title: str, body: str):
            return function(title, body)

        return plain

    @governed(**RULE)
    @hiding
    async def ticket(title: str, body: str) -> None:
        ran.append(title)

    with pytest.raises(Invalid, match="a coroutine"):
        ticket("a", "b")
    assert ran == []
    assert not captain.outcome(newest(captain)["decision_id"])["ok"]


def test_episodes_nest_and_threads_have_their_own(service, captain):
    @governed(**RULE)
    def ticket(title: str, body: str) -> None:
        pass

    with episode("outer"):
        with episode("inner"):
            ticket("1", "")
        ticket("2", "")
        thread = threading.Thread(target=ticket, args=("3", ""))
        thread.start()
        thread.join()
    ticket("4", "")
    made = captain.http.get("/v1/decisions").json()["decisions"]
    assert [each["episode"] for each in reversed(made)] == ["inner", "outer", "", ""]
    with pytest.raises(Invalid), episode("x") as block, block:
        pass


def test_people_are_waited_for(service, captain):
    @governed(**RULE | {"confidence": 0.5}, wait_s=600)
    def ticket(title: str, body: str) -> str:
        return title

    approving = threading.Thread(target=lambda: captain.say(f"/v1/decisions/{captain.held()}/approve"))
    approving.start()
    assert ticket("a", "b") == "a"
    approving.join()


class _Between(Client):
    """A client in whose service something happens between the grant and the function."""

    def __init__(self, happens):
        super().__init__()
        self.happens = happens

    def _send(self, ask):
        if ask.method == "GET" and self.happens is not None:
            happens, self.happens = self.happens, None
            happens(ask)
        return super()._send(ask)


def test_a_veto_or_stop_between_grant_and_run_is_in_time(service, captain):
    ran = []

    def veto(_ask):
        captain.say(f"/v1/decisions/{newest(captain)['decision_id']}/override", word="veto", reason="no")

    for happens, error in (
        (veto, Vetoed),
        (lambda _ask: captain.say("/v1/kill", scope="agent:coder-1", reason="wild"), Killed),
    ):
        with _Between(happens) as client:

            @governed(**RULE, client=client)
            def ticket(title: str, body: str) -> None:
                ran.append(title)

            with pytest.raises(error):
                ticket("a", "b")
    assert ran == []


def test_arguments_that_change_meanwhile_are_not_run_with(service):
    ran, mine = [], ["b"]

    with _Between(lambda _ask: mine.append("rm")) as client:

        @governed(**RULE, args=lambda title, body: {"title": title, "body": " ".join(body)}, client=client)
        def ticket(title: str, body: list[str]) -> None:
            ran.append(title)

        with pytest.raises(Invalid, match="changed"):
            ticket("a", mine)
    assert ran == []


def test_a_veto_while_it_runs_says_that_it_ran(service, captain):
    @governed(**RULE)
    def ticket(title: str, body: str) -> None:
        captain.say(f"/v1/decisions/{newest(captain)['decision_id']}/override", word="veto", reason="no")

    with pytest.raises(Vetoed) as caught:
        ticket("a", "b")
    assert caught.value.ran


def test_a_report_that_cannot_be_made_loses_no_result(service, caplog):
    with Client(patience_s=PATIENCE_S) as client:

        @governed(**RULE, client=client)
        def ticket(title: str, body: str) -> str:
            client._url, client._talks.patience_s = "http://127.0.0.1:9", 0.5
            return title

        assert ticket("a", "b") == "a"
    assert "could not be reported" in caplog.text


def test_an_address_that_is_damaged_meanwhile_loses_no_result(service, caplog, monkeypatch, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setenv("WATCHKEEPER_HOME", str(elsewhere))
    with Client(patience_s=PATIENCE_S) as client:

        @governed(**RULE, client=client)
        def ticket(title: str, body: str) -> str:
            client._url, client._talks.patience_s = "", 0.5
            (elsewhere / "http.json").write_text("{")
            return title

        assert ticket("a", "b") == "a"
    assert "could not be reported" in caplog.text


def test_a_report_that_cannot_be_read_or_written_loses_no_result(service, caplog):
    class OddError(Exception):
        def __repr__(self) -> str:
            return "odd \udcff"

    with Client(patience_s=PATIENCE_S) as client:

        @governed(**RULE, client=client)
        def ticket(title: str, body: str) -> str:
            client._talks.patience_s = 0.5
            answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"x"))
            client.close()
            client._http = httpx.Client(transport=httpx.MockTransport(lambda _: answer))
            if body:
                raise OddError
            return title

        assert ticket("a", "") == "a"
        client.close()
        client._http, client._talks.patience_s = None, PATIENCE_S
        with pytest.raises(OddError):
            ticket("a", "b")
    assert caplog.text.count("could not be reported") == 2


def test_without_the_service_nothing_runs(monkeypatch, tmp_path):
    monkeypatch.delenv("WATCHKEEPER_URL", raising=False)
    monkeypatch.setenv("WATCHKEEPER_HOME", str(tmp_path))
    ran = []
    with Client(token="t", patience_s=0.2) as client:

        @governed(**RULE, client=client)
        def ticket(title: str) -> None:
            ran.append(title)

        with pytest.raises(Unreachable):
            ticket("a")
    monkeypatch.delenv("WATCHKEEPER_TOKEN", raising=False)

    @governed(**RULE)
    def other() -> None:
        ran.append("b")

    with pytest.raises(Forbidden):
        other()
    assert ran == []


def test_a_mistake_is_found_where_it_is_written():
    with pytest.raises(Invalid, match="no argument"):
        governed(**RULE, args=("titel",))(lambda title: title)
    with pytest.raises(Invalid, match="generator"):

        @governed(**RULE)
        def lines():
            yield 1

    with Client(url="http://127.0.0.1:9", token="t") as client, pytest.raises(Invalid, match="does not fit"):

        @governed(**RULE, client=client)
        async def act() -> None:
            pass


def test_every_no_can_be_caught_as_one():
    assert all(issubclass(each, NotAllowed) for each in (Held, Denied, Killed, Vetoed, Shadowed, Performed))
