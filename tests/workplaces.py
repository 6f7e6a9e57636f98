"""A state folder that agents work with: what its journal says, its configuration, and a service on it."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import OutcomeReported, VerdictReached, decode
from tests.fence.stopping import until
from tests.health import answers
from tests.patience import PATIENCE_S


class Workplace:
    """A folder with its state folder."""

    own_file = "watchkeeper.yaml"
    """The file of the configuration that its tests change most."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / ".watchkeeper"

    def facts(self, kind: type) -> list[Any]:
        """Facts of one kind in the journal."""
        with SqliteReader(self.home / "journal.db") as journal:
            found = [decode(record.body) for record in journal.read(after=0)]
        return [fact for fact in found if isinstance(fact, kind)]

    def verdicts(self) -> list[Any]:
        return [fact.verdict for fact in self.facts(VerdictReached)]

    def outcomes(self) -> list[Any]:
        return self.facts(OutcomeReported)

    def adapt(self, old: str, new: str, name: str = "") -> None:
        """Change the configuration."""
        path = self.home / "config" / (name or self.own_file)
        text = path.read_text()
        assert old in text, text
        path.write_text(text.replace(old, new))

    @contextlib.contextmanager
    def up(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run `watchkeeper up` until the block ends."""
        self.adapt("port: 8765", "port: 0", "watchkeeper.yaml")
        said = self.folder / "service.txt"
        with said.open("wb") as output:
            service = subprocess.Popen(
                [str(Path(sys.executable).with_name("watchkeeper")), "up"],
                cwd=self.folder,
                env=os.environ | {"WATCHKEEPER_HOME": str(self.home)},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            assert until(lambda: answers(self.home) or service.poll() is not None, within_s=PATIENCE_S)
            assert service.poll() is None, said.read_text()
            yield service
        finally:
            with contextlib.suppress(ProcessLookupError):
                service.send_signal(signal.SIGTERM)
            service.wait(PATIENCE_S)
