"""Settings every test shares."""

import os
import signal
from collections.abc import Iterator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

from tests.torn_coverage import drop_torn

# In the background a shell has had Ctrl-C ignored, and all that the tests start would ignore it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: two workers under coverage on a small machine make single examples slow, not wrong. The blob
# printed with a failure repeats it exactly, on any machine. HYPOTHESIS_PROFILE=thorough looks longer.
settings.register_profile(
    "quick",
    deadline=None,
    print_blob=True,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def docker_engine():
    """A Docker engine of this test process's own, started when the first test wants it."""
    from tests.docker_engine import docker_engine as started

    with started() as engine:
        yield engine


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have tests of one `xdist_group`, and those that share a fixture of their module, run in one process.

    The scheduler finds the group at the end of a test's id. There xdist 3.8 writes it by an attribute that
    pytest 9.2 reads no more.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        group = _group(item)
        if group and not item.nodeid.endswith(f"@{group}"):
            item._id = type(item._id).parse(f"{item.nodeid}@{group}")


def _group(item: pytest.Item) -> str | None:
    if mark := item.get_closest_marker("xdist_group"):
        return str(mark.args[0])
    known = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    shared = any(fixture.scope == "module" for fixtures in known for fixture in fixtures)
    return item.path.stem if shared else None


# What tells a process that it is to be measured.
_MEASURE = ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure no coverage in a test marked `unmeasured`, nor in the processes it starts."""
    measuring = Coverage.current()
    if measuring is None or item.get_closest_marker("unmeasured") is None:
        return (yield)
    kept = {name: os.environ.pop(name) for name in _MEASURE if name in os.environ}
    measuring.stop()
    try:
        return (yield)
    finally:
        measuring.start()
        os.environ.update(kept)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Before pytest-cov gathers the data files, drop those that a killed process left half written.

    The last wrapper ends first, so this is done before pytest-cov's. Workers gather nothing.
    """
    try:
        return (yield)
    finally:
        if session.config.pluginmanager.hasplugin("_cov") and not hasattr(session.config, "workerinput"):
            drop_torn(session.config.rootpath)
