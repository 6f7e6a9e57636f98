"""What the page about on-call shows is read by the product, and the complaints reach whoever starts it."""

import re
import shutil
from pathlib import Path

import pytest

from engine.errors import PolicyError
from engine.wiring import SHIPPED_CONFIG
from engine.wiring.service import check, open_service
from tests.oncall.waking_folder import WakingFolder

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "on-call.md"


def test_the_files_on_the_page_are_right(tmp_path):
    blocks: dict[str, str] = {}
    for name, text in re.findall(r"```yaml\n# (\w+)\.yaml\n(.*?)```", PAGE.read_text(), re.DOTALL):
        # A file may be explained in parts.
        blocks[name] = blocks.get(name, "") + text
    assert set(blocks) == {"people", "oncall", "ladders"}
    folder = WakingFolder(tmp_path)
    for name, text in blocks.items():
        folder.write(name, text)
    settings = folder.read().settings
    assert len(settings.ladders["by-phone"].rungs) == 2 * 3 + 1
    assert settings.route("undo", "warning")[1] == "critical"


@pytest.fixture
def config(tmp_path):
    shutil.copytree(SHIPPED_CONFIG, tmp_path / "config")
    return tmp_path / "config"


def test_a_start_refuses_what_cannot_work(tmp_path, config):
    ladders = config / "ladders.yaml"
    check(open_service(tmp_path, config))
    ladders.write_text(ladders.read_text().replace("otherwise: screens", "otherwise: nobody"))
    with pytest.raises(PolicyError, match=r"ladders\.yaml:\d+: otherwise goes to a ladder nobody"):
        check(open_service(tmp_path, config))


def test_a_configuration_from_before_starts_as_it_did(tmp_path, config):
    for name in ("people", "oncall", "ladders"):
        (config / f"{name}.yaml").unlink()
    assert check(open_service(tmp_path, config)).actions
