"""Coding agents as their makers ship them, headless, with a scripted model; by `make coding-agents`.

Each gets a home of its own, no account and no way to anything but the model on loopback.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.hooks.models import Model
from tests.needs import need
from tests.patience import PATIENCE_S

REAL = ("claude", "codex", "gemini")
ROOT = Path(__file__).resolve().parents[2] / ".coding-agents" / "node_modules"
"""Cursor is not among them: it cannot be had without an account."""


def program(agent: str) -> list[str]:
    """The command line that starts an agent. Skips where it is not installed."""
    modules = ROOT
    found = {
        "claude": sorted(modules.glob("@anthropic-ai/claude-code-*/claude")),
        "codex": sorted(modules.glob("@openai/codex-*/vendor/*/bin/codex")),
        "gemini": sorted(modules.glob("@google/gemini-cli/bundle/gemini.js")),
    }[agent]
    need(found, f"{agent} is not installed: make coding-agents")
    return [*([_node()] if agent == "gemini" else []), str(found[0])]


def _node() -> str:
    """Node.js, of a version that Gemini CLI takes."""
    node = shutil.which("node") or ""
    need(node, "Node.js is not installed")
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    need(
        int(said.strip().lstrip("v").partition(".")[0]) >= 20,
        f"Gemini CLI needs Node.js 20, and this is {said}",
    )
    return node


@dataclass(frozen=True)
class Home:
    """The home of a person who uses an agent, with nothing in it but what keeps the agent offline."""

    agent: str
    folder: Path

    def made(self, model: Model, project: Path) -> dict[str, str]:
        """Make it, and return the environment the agent runs in."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Anything that would leave the machine is sent to a door that nobody opens.
        nowhere = "http://127.0.0.1:9"
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TERM": "xterm-256color",
            "HTTP_PROXY": nowhere,
            "HTTPS_PROXY": nowhere,
            "NO_PROXY": "127.0.0.1",
        }
        return env | getattr(self, f"_{self.agent}")(model, project)

    def _claude(self, model: Model, project: Path) -> dict[str, str]:
        return {
            "ANTHROPIC_BASE_URL": model.url,
            "ANTHROPIC_API_KEY": "sk-ant-none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def _codex(self, model: Model, project: Path) -> dict[str, str]:
        config = self.folder / ".codex" / "config.toml"
        config.parent.mkdir(exist_ok=True)
        old = config.read_text() if config.exists() else ""
        config.write_text(
            f"""model = "gpt-5.5"
model_provider = "scripted"
check_for_update_on_startup = false
[analytics]
enabled = false
[projects.{json.dumps(str(project))}]
trust_level = "trusted"
[model_providers.scripted]
name = "scripted"
base_url = "{model.url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
{old.partition("# more")[2]}"""
        )
        return {}

    def _gemini(self, model: Model, project: Path) -> dict[str, str]:
        settings = self.folder / ".gemini" / "settings.json"
        settings.parent.mkdir(exist_ok=True)
        known = json.loads(settings.read_text()) if settings.exists() else {}
        known |= {
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "privacy": {"usageStatisticsEnabled": False},
            "security": {"auth": {"selectedType": "gemini-api-key"}},
        }
        settings.write_text(json.dumps(known))
        return {
            "GEMINI_API_KEY": "none",
            "GOOGLE_GEMINI_BASE_URL": model.url,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        }


TRUSTING = "--dangerously-bypass-hook-trust"
"""Codex's own way to run hooks that nobody said yes to at its prompt, which a test has no hands for."""

# What lets each run everything that no hook stops, so that a call which did not run was stopped by ours.
FREE = {
    "claude": ["-p", "--dangerously-skip-permissions"],
    "codex": ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", TRUSTING],
    "gemini": ["-m", "gemini-2.5-pro", "--approval-mode", "yolo", "-p"],
}


def put_on_path(agent: str, folder: Path, project: Path, model: Model, home: Path) -> None:
    """Make the command that a page names: the real agent, in a home of its own, with a scripted model."""
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in Home(agent, home).made(model, project).items()
    ]
    command = folder / agent
    command.write_text(
        "\n".join(["#!/bin/sh", *lines, f'exec {shlex.join(program(agent))} "$@" </dev/null', ""])
    )
    command.chmod(0o755)


def run(
    agent: str,
    project: Path,
    model: Model,
    home: Path,
    *,
    options: list[str] | None = None,
    prompt: str = "do it",
) -> subprocess.CompletedProcess[str]:
    """Run an agent in a project until it is done."""
    words = FREE[agent] if options is None else options
    env = Home(agent, home).made(model, project)
    if os.geteuid() == 0 and agent == "claude":
        # It refuses to skip permissions for root unless it is told that this is a sandbox.
        env["IS_SANDBOX"] = "1"
    return subprocess.run(
        [*program(agent), *words, prompt],
        cwd=project,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
