"""Actions that are one HTTP request to a server of the tests."""

from engine.adapters.runner_http import HttpRunner
from engine.core.vocabulary.actions import Parameter
from tests.runners.effects import action

TOKEN = "k3y-that-nobody-may-see"
RUNNER = HttpRunner(environment={"WATCHKEEPER_SECRET_TOKEN": TOKEN})


def act(entry, *names, timeout_s=10, method="GET", path="/", network=None, **settings):
    """An action with these parameters and settings; `path` goes behind the server's address."""
    given = {"url": f"http://{entry}{path}", "method": method, **settings}
    parameters = {name: Parameter(type="any") for name in names}
    listed = (entry,) if network is None else network
    made = action("http.x", "http", given, parameters=parameters, timeout_s=timeout_s, network=listed)
    RUNNER.check(made)
    return made


async def perform(bench, action, effect="d_1", watch=None, runner=RUNNER, **args):
    return await runner.perform(bench.job(action, args, effect=effect, watch=watch))
