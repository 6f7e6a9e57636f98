"""A whole service, as people run it: `watchkeeper up` in processes of its own, and eyes on what it does."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from bot.http_api.address import read_address
from engine.adapters.announcements import Announcements
from engine.adapters.journal_reader import SqliteReader
from engine.adapters.linux_processes import environment, look_at_all
from engine.adapters.marks import EFFECT_VARIABLE, HOME_VARIABLE, home_id
from engine.adapters.token_file import TokenFile
from engine.commands.standing import standing_of
from engine.core.vocabulary.facts import Fact, VerdictReached, decode
from engine.runtime.layout import Layout
from engine.runtime.processes import read_processes
from engine.wiring.policies import SHIPPED_CONFIG
from tests.fence.stopping import gone, until
from tests.patience import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
CAPABILITY = "work@1"
ACTIONS: dict[str, dict[str, Any]] = {
    "file.write": {
        "summary": "Write one file.",
        "kind": "write",
        "risk": "LOW",
        "undo": "file.restore",
        "parameters": {"path": {"type": "path"}, "content": {"type": "string"}},
        "run": {"runner": "file", "settings": {"operation": "write"}, "idempotent": True},
    },
    "file.restore": {
        "summary": "Put a file back as it was.",
        "kind": "write",
        "risk": "LOW",
        "parameters": {"path": {"type": "path"}},
    },
    "shell.run": {
        "summary": "Run a shell command in the sandbox.",
        "kind": "write",
        "risk": "LOW",
        "parameters": {"command": {"type": "command"}},
        "run": {"runner": "shell", "timeout_s": 2000, "sandbox": "bubblewrap"},
    },
    "note.append": {
        "summary": "Add a line to a file: done twice, it is there twice.",
        "kind": "write",
        "risk": "LOW",
        "parameters": {"line": {"type": "string"}, "pause_s": {"type": "number"}},
        "run": {
            "runner": "shell",
            "sandbox": "none",
            "settings": {
                "argv": [
                    "/bin/sh",
                    "-c",
                    'sleep "$2"; echo "$1" >>appended; sleep "$2"',
                    "sh",
                    "{line}",
                    "{pause_s}",
                ]
            },
        },
    },
    "note.put": {
        "summary": "Put a name into a file of its own: done twice, it is there all the same.",
        "kind": "write",
        "risk": "LOW",
        "parameters": {"name": {"type": "string"}, "pause_s": {"type": "number"}},
        "run": {
            "runner": "shell",
            "sandbox": "none",
            "idempotent": True,
            "settings": {
                "argv": [
                    "/bin/sh",
                    "-c",
                    'sleep "$2"; echo "$1" >"put-$1"; sleep "$2"',
                    "sh",
                    "{name}",
                    "{pause_s}",
                ]
            },
        },
    },
    "note.fail": {
        "summary": "Fail.",
        "kind": "write",
        "risk": "LOW",
        "parameters": {},
        "run": {"runner": "shell", "sandbox": "none", "settings": {"argv": ["/bin/sh", "-c", "exit 3"]}},
    },
}
"""What the agents of these tests may ask for."""


def write_config(folder: Path, actions: dict[str, dict[str, Any]] | None = None, **changes: Any) -> Path:
    """Make a configuration of quick leases, few hands and wide limits; `workers__slots=1` changes one key."""
    folder.mkdir()
    shutil.copytree(SHIPPED_CONFIG / "policies", folder / "policies")
    limits = folder / "policies" / "limits.yaml"
    text = re.sub(r"most: \d+", "most: 1000000", limits.read_text())
    limits.write_text(re.sub(r"failures_to_open: \d+", "failures_to_open: 1000", text))
    rollouts = folder / "policies" / "rollouts.yaml"
    text = rollouts.read_text()
    assert "established: []" in text
    rollouts.write_text(text.replace("established: []", f"established: [{CAPABILITY}]"))
    # The commands of these tests are scripts, about each of which a person would be asked.
    (folder / "policies" / "shell.yaml").unlink()
    (folder / "actions.yaml").write_text(json.dumps({"actions": actions or ACTIONS}))
    settings: dict[str, Any] = {
        "http": {
            "host": "127.0.0.1",
            "port": 0,
            "names": [],
            "most_body_bytes": 1 << 20,
            "requests_per_s": 10_000,
        },
        "workers": {"processes": 1, "slots": 2, "lease_s": 1.0, "drain_s": 10.0, "start_within_s": 3600.0},
        "workspace": {"path": None, "protected_branches": ["main"]},
        "sandbox": {
            "image": "watchkeeper-sandbox",
            "memory_mib": 256,
            "pids": 64,
            "cpus": 1.0,
            "output_kib": 64,
            "disk_mib": 64,
        },
        "undo": {"keep": 100_000, "most_mib": 1024},
        "snapshots": {"every_s": 0.0, "keep": 2, "most_mib": 1024},
        "clock_slack_s": 60.0,
    }
    for name, value in changes.items():
        section, _, key = name.partition("__")
        settings[section][key] = value
    (folder / "watchkeeper.yaml").write_text(json.dumps(settings, indent=2))
    return folder


class Service:
    """A service on a state folder, running or not."""

    def __init__(
        self,
        folder: Path,
        command: tuple[str, ...] = ("-m", "watchkeeper"),
        *,
        home: Path | None = None,
        **changes: Any,
    ) -> None:
        """Make its configuration; nothing runs yet. `command` is what Python runs before `up`."""
        self.home, self.command = home or folder / "home", command
        self.layout = Layout(self.home)
        self.config = write_config(folder / "config", **changes)
        self.output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None
        self._tokens: dict[str, str] = {}

    # ------------------------------------------------------------ running it

    @property
    def environment(self) -> dict[str, str]:
        """What every command of the product finds in its environment."""
        return os.environ | {"WATCHKEEPER_HOME": str(self.home)}

    def start(self, *, wait: bool = True) -> None:
        """Start it, and wait until engine and front answer and every worker has begun."""
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self.command, "up", "--config", str(self.config)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        if wait:
            assert until(self.is_healthy, within_s=PATIENCE_S), self.output.read_text()

    def stop(self) -> int:
        """Stop it cleanly; return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def is_healthy(self) -> bool:
        """Whether the front answers and says that the engine does."""
        assert self.process is None or self.process.poll() is None, self.output.read_text()
        with contextlib.suppress(httpx.HTTPError):
            address = read_address(self.layout.address)
            return address is not None and self._get(f"{address.url}/v1/health").status_code == 200
        return False

    @staticmethod
    def _get(url: str) -> httpx.Response:
        return httpx.get(url, trust_env=False, timeout=10)

    def end(self) -> None:
        """End whatever is left of it, however."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for _ in range(100):
            if not (left := self.left()):
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            until(lambda: all(map(gone, left)), within_s=2)
        raise AssertionError(self.left())

    # ------------------------------------------------------------ its processes

    def pid(self, name: str) -> int:
        """Give the number of one of its processes: `supervisor`, or as the supervisor names it."""
        if name == "supervisor":
            assert self.process is not None
            return self.process.pid
        found: list[int] = []

        def runs() -> bool:
            noted = read_processes(self.layout)
            found[:] = [
                one.pid
                for one in (noted.processes if noted else ())
                if one.name == name and one.pid is not None and not gone(one.pid)
            ]
            return bool(found)

        assert until(runs, within_s=PATIENCE_S), (name, self.output.read_text())
        return found[0]

    def send(self, number: int, *names: str) -> None:
        """Send processes a signal."""
        for name in names:
            os.kill(self.pid(name), number)

    def left(self) -> dict[int, str]:
        """Give every process that still runs for this state folder, effects and all, with its command."""
        own = f"{self.home}".encode()
        mark = home_id(self.home).encode()
        found = {}
        for pid, seen in look_at_all().items():
            marks = environment(pid)
            ours = marks.get(b"WATCHKEEPER_HOME") == own or marks.get(HOME_VARIABLE.encode()) == mark
            if ours and not seen.is_over:
                with contextlib.suppress(OSError):
                    found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def effects_under_way(self) -> set[str]:
        """Give the effects for which some process still runs, by the mark it bears."""
        return set(self._effect_processes().values())

    def effect_processes(self) -> list[int]:
        """Give every process that works for an effect."""
        return list(self._effect_processes())

    def _effect_processes(self) -> dict[int, str]:
        mark = home_id(self.home).encode()
        found = {}
        for pid, seen in look_at_all().items():
            marks = environment(pid)
            if marks.get(HOME_VARIABLE.encode()) == mark and not seen.is_over:
                found[pid] = marks.get(EFFECT_VARIABLE.encode(), b"").decode()
        return found

    # ------------------------------------------------------------ asking it

    def cli(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the product."""
        return subprocess.run(
            [sys.executable, "-m", "watchkeeper", *words],
            cwd=ROOT,
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def http(self, who: str = "captain", *, timeout_s: float = PATIENCE_S) -> httpx.Client:
        """Give a client that speaks for an agent, or for `captain`."""
        address = read_address(self.layout.address)
        assert address is not None
        return httpx.Client(
            base_url=address.url,
            headers={"Authorization": f"Bearer {self.token(who)}"},
            trust_env=False,
            timeout=timeout_s,
        )

    def token(self, who: str) -> str:
        """Give the captain's token, or an agent's, made when it is first asked for."""
        if who not in self._tokens:
            if who == "captain":
                self._tokens[who] = self.layout.own_token.read_text().strip()
            else:
                self._tokens[who] = TokenFile(self.layout.tokens).create(kind="agent", name=who)[1]
        return self._tokens[who]

    def post(self, path: str, who: str = "captain", **body: Any) -> httpx.Response:
        """Send one request."""
        with self.http(who) as client:
            return client.post(path, json=body)

    def propose(
        self,
        action: str,
        args: dict[str, Any],
        *,
        who: str = "coder",
        key: str | None = None,
        wait_s: float = 0,
        **more: Any,
    ) -> httpx.Response:
        """Propose one action."""
        body = {"action": action, "args": args, "capability": CAPABILITY, "confidence": 0.95} | more
        headers = {"Idempotency-Key": key} if key else {}
        with self.http(who) as client:
            return client.post("/v1/proposals", json=body, headers=headers, params={"wait_s": wait_s})

    def run(self, command: str, **more: Any) -> str:
        """Propose a shell command, see it allowed, and return the decision's id."""
        answer = self.propose("shell.run", {"command": command}, **more)
        assert answer.status_code in {200, 202}, answer.text
        assert answer.json()["word"] == "allow", answer.text
        return str(answer.json()["decision_id"])

    # ------------------------------------------------------------ what came of it

    @property
    def workspace(self) -> Path:
        """Where its effects work."""
        return self.layout.workspace

    def facts(self, kind: type[Fact] = Fact) -> list[Any]:
        """Give the journal's facts of one kind."""
        with SqliteReader(self.layout.journal) as journal:
            facts = [decode(record.body) for record in journal.read()]
        return [fact for fact in facts if isinstance(fact, kind)]

    def statuses(self) -> dict[str, str]:
        """Say where every decision stands, by its id."""
        found = {}
        decided = [fact.verdict.decision_id for fact in self.facts(VerdictReached)]
        with SqliteReader(self.layout.journal) as journal:
            for decision in decided:
                standing = standing_of(journal, decision)
                assert standing is not None
                found[str(decision)] = str(standing.status)
        return found

    def status(self, decision: str) -> str:
        """Say where one decision stands."""
        return self.statuses()[decision]

    def told(self, kind: str) -> list[str]:
        """Say what people were told."""
        recent = Announcements(self.layout.announcements).recent(10_000)
        return [one.text for one in recent if one.kind == kind]

    def tells(self, kind: str, words: str) -> None:
        """Wait until people are told something with these words: it is said after it is written down."""
        eventually(lambda: any(words in text for text in self.told(kind)), lambda: self.told(kind))


@contextlib.contextmanager
def service(
    folder: Path, command: tuple[str, ...] = ("-m", "watchkeeper"), **changes: Any
) -> Iterator[Service]:
    """Run a service while the block lasts; whatever is left of it is ended afterwards."""
    made = Service(folder, command, **changes)
    try:
        made.start()
        yield made
    except BaseException:
        # What the processes said is the best witness of what went wrong.
        sys.stderr.write(made.output.read_text()[-20_000:] if made.output.exists() else "")
        raise
    finally:
        made.end()


def eventually(true: Callable[[], object], say: Callable[[], object] = lambda: "") -> None:
    """Wait until something holds; it is only ever late when broken."""
    assert until(true, within_s=PATIENCE_S), say()
