"""The fleet is its files: what becomes of them is what becomes of it."""

import pytest

from simulator.living.fleet import NAMES, Fleet


@pytest.fixture
def fleet(tmp_path):
    return Fleet(tmp_path, seed=7)


def kinds(fleet, service):
    return [trouble.kind for trouble in fleet.troubles() if trouble.service == service]


def edit(fleet, service, old, new):
    path = fleet.folder / service / "service.conf"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_fresh_fleet_has_no_trouble(fleet):
    assert fleet.troubles() == []


@pytest.mark.parametrize("copies", [3, 4])
def test_a_rush_is_trouble_until_there_are_more_copies_and_again_without_them(fleet, copies):
    fleet.rush("web")
    assert kinds(fleet, "web") == ["slow"]
    edit(fleet, "web", "copies = 2", f"copies = {copies}")
    assert kinds(fleet, "web") == []
    edit(fleet, "web", f"copies = {copies}", "copies = 2")
    assert kinds(fleet, "web") == ["slow"]


def test_copies_can_be_spared_when_the_rush_is_over_and_not_before(fleet):
    fleet.rush("web")
    edit(fleet, "web", "copies = 2", "copies = 4")
    assert not fleet.has_spare("web")
    while not fleet.has_spare("web"):
        fleet.live_on()
    edit(fleet, "web", "copies = 4", "copies = 2")
    assert not fleet.has_spare("web")
    assert "slow" not in kinds(fleet, "web")


def test_old_logs_fill_the_disk_and_deleting_them_makes_room(fleet):
    while "full" not in kinds(fleet, "mail"):
        fleet.live_on()
    assert fleet.used_percent("mail") == 80
    for path in fleet.logs("mail")[:4]:
        path.unlink()
    assert "full" not in kinds(fleet, "mail")


def test_the_disk_is_never_more_than_full(fleet):
    for _ in range(100):
        fleet.live_on()
    assert {fleet.used_percent(name) for name in NAMES} == {100}


def test_what_hangs_answers_after_a_restart(fleet):
    fleet.hang("search")
    assert kinds(fleet, "search") == ["stuck"]
    fleet.restart("search")
    assert kinds(fleet, "search") == []


def test_releasing_keeps_the_copies_and_says_what_was_there(fleet):
    edit(fleet, "web", "copies = 2", "copies = 5")
    assert fleet.release("web", "42-canary") == "41"
    assert (fleet.setting("web").version, fleet.setting("web").copies) == ("42-canary", 5)


@pytest.mark.parametrize("text", [b"", b"copies = many\n", b"copies = 0\n", b"\xff\xfe", b"nothing"])
def test_a_setting_that_an_agent_broke_counts_as_the_first(fleet, text):
    (fleet.folder / "web" / "service.conf").write_bytes(text)
    assert fleet.setting("web").copies in {1, 2}
    fleet.live_on()
    assert (fleet.folder / "web" / "health.txt").read_text().startswith("web ")


def test_it_goes_on_where_it_was(fleet, tmp_path):
    fleet.release("web", "55")
    assert Fleet(tmp_path, seed=7).setting("web").version == "55"


def test_the_same_seed_is_the_same_fleet(tmp_path):
    found = []
    for name in ("one", "two"):
        fleet = Fleet(tmp_path / name, seed=3)
        seen = []
        for _ in range(120):
            fleet.live_on()
            seen.append([trouble.text for trouble in fleet.troubles()])
        found.append(seen)
    assert found[0] == found[1]
    assert any(found[0])
