"""Fixtures of the importers' tests."""

import pytest

from simulator.importers import import_source
from simulator.recording import Recording


@pytest.fixture
def imported(tmp_path):
    """Import a source by a mapping, both given as text."""

    def make(mapping, source, name="log.csv"):
        (tmp_path / "map.yaml").write_text(mapping)
        path = tmp_path / name
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        import_source("generic", path, tmp_path / "a.wkr", mapping=tmp_path / "map.yaml")
        return Recording(tmp_path / "a.wkr")

    return make
