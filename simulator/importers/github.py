"""Deployments and workflow runs of GitHub, as its REST API (2022-11-28) and its webhooks write them.

A file holds deployments, deployment statuses, workflow runs, or pages and deliveries of these, mixed as it
likes: `gh api --paginate repos/OWNER/NAME/deployments`, `…/deployments/ID/statuses`, `…/actions/runs`.
"""

from pathlib import Path
from typing import Any, Final

from simulator.importers.conversations import Call, Conversations, Reply
from simulator.importers.files import Files, documents
from simulator.importers.shapes import at, first, items, table, text, time_us
from simulator.importers.source import Progress
from simulator.importers.summary import Summary

FORMAT: Final = "github"
PATTERNS: Final = ("*.json", "*.jsonl")
_GOOD: Final = {"success", "inactive"}
_BAD: Final = {"failure", "error", "cancelled", "timed_out", "startup_failure"}
_NOTES: Final = (
    "an outcome is the last word of a status or a conclusion; what was still under way has none",
)
_LISTS: Final = ("workflow_runs", "deployments", "statuses", "items")


def import_github(path: Path, out: Path, progress: Progress | None) -> Summary:
    """Write the recording of what was deployed and run. Raises `RecordingError`."""
    files = Files(path, *PATTERNS, progress=progress)
    with Conversations(format_name=FORMAT, agent="github") as found:
        reader = _Reader(found)
        for source in files:
            for _, document in documents(source, found.oddities):
                reader.read(table(document))
        reader.finish()
        return found.write(out, files.origin(), rows=files.rows, notes=_NOTES)


class _Reader:
    def __init__(self, found: Conversations) -> None:
        self._found = found
        # A status may lie in a file before its deployment: all are joined when everything is read.
        self._calls: dict[str, Call] = {}
        self._ends: dict[str, Reply] = {}

    def read(self, document: dict[str, Any]) -> None:
        """Read one object, and whatever objects it holds."""
        for key in _LISTS:
            for each in items(document.get(key)):
                self.read(table(each))
        for key in ("deployment", "workflow_run", "deployment_status"):
            if isinstance(document.get(key), dict):
                # A delivery of a webhook names the deployment beside its status.
                self.read(document[key] | {"_deployment": table(document.get("deployment"))})
        if "head_sha" in document and "workflow_id" in document:
            self._run(document)
        elif "statuses_url" in document and "environment" in document:
            self._deployment(document)
        elif "deployment_url" in document and "state" in document:
            self._status(document)

    def finish(self) -> None:
        """Hand on everything that was read."""
        for key, call in self._calls.items():
            self._found.call(call)
            if (end := self._ends.get(key)) is not None:
                self._found.reply(end)
        if lonely := len(self._ends.keys() - self._calls.keys()):
            self._found.oddities["statuses of deployments that are not in it, left out"] += lonely

    def _deployment(self, it: dict[str, Any]) -> None:
        at_us = time_us(it.get("created_at"))
        key = f"deployment-{it.get('id')}"
        if at_us is None:
            return
        self._calls[key] = Call(
            conversation=key,
            call_id=key,
            at_us=at_us,
            tool="deploy",
            args={
                "repository": _repository(it.get("url")),
                "environment": text(it.get("environment")),
                "ref": text(it.get("ref")),
                "sha": text(it.get("sha")),
                "task": text(it.get("task")),
            },
            why=text(it.get("description")),
            agent=text(at(it, "creator", "login")),
        )

    def _status(self, it: dict[str, Any]) -> None:
        number = at(it, "_deployment", "id") or text(it.get("deployment_url")).rpartition("/")[2]
        self._end(
            f"deployment-{number}",
            first(it, "updated_at", "created_at"),
            it.get("state"),
            it.get("description"),
        )

    def _run(self, it: dict[str, Any]) -> None:
        at_us = time_us(first(it, "run_started_at", "created_at"))
        key = f"run-{it.get('id')}-{it.get('run_attempt') or 1}"
        if at_us is None:
            return
        self._calls[key] = Call(
            conversation=f"commit-{text(it.get('head_sha'))}",
            call_id=key,
            at_us=at_us,
            tool="run_workflow",
            args={
                "repository": _repository(it.get("url")),
                "workflow": text(it.get("name")),
                "branch": text(it.get("head_branch")),
                "sha": text(it.get("head_sha")),
                "event": text(it.get("event")),
            },
            why=text(it.get("display_title")),
            agent=text(at(it, "triggering_actor", "login")) or text(at(it, "actor", "login")),
        )
        self._end(key, it.get("updated_at"), it.get("conclusion"), it.get("conclusion"))

    def _end(self, key: str, when: Any, state: Any, detail: Any) -> None:
        at_us, word = time_us(when), text(state)
        before = self._ends.get(key)
        if at_us is None or word not in _GOOD | _BAD or (before is not None and before.at_us > at_us):
            return
        call = self._calls.get(key)
        self._ends[key] = Reply(
            conversation=call.conversation if call is not None else key,
            call_id=key,
            at_us=at_us,
            text=text(detail) or word,
            ok=word in _GOOD,
        )


def _repository(url: Any) -> str:
    """Return `owner/name` of an address of the API, or nothing."""
    _, _, rest = text(url).partition("/repos/")
    return "/".join(rest.split("/")[:2])
