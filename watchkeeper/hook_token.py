"""What a hook needs beside the agent's settings: a token to propose with, and maybe the authority to act."""

import shutil
from io import StringIO
from pathlib import Path

from bot.hooks.kept import Kept
from engine.adapters.files import atomic_write, private_folder, storage_errors
from engine.adapters.token_file import TokenFile, private_write
from engine.core.vocabulary.ids import CapabilityId, capability_name
from engine.errors import InputError, WatchkeeperError
from engine.runtime.layout import Layout
from engine.wiring.policies import SHIPPED_CONFIG, read_policy
from watchkeeper.people import first_captain


def make_token(home: Path, agent: str, capability: str, owner: str | None) -> list[str]:
    """Make the token an agent's hook proposes with, unless it has one that works. Says what was made."""
    layout, kept, said = Layout(home), Kept(home), []
    private_folder(layout.home)
    private_folder(kept.folder)
    if (captain := first_captain(layout)) is not None:
        said.append(f"{captain[0]} is captain here, by the token in {captain[1]}")
    name = str(capability_name(CapabilityId(capability)))
    if _works(layout, kept, agent, name):
        return said
    entry, text = TokenFile(layout.tokens).create(
        kind="agent", name=name, capabilities=(f"{name}@*",), owner=owner
    )
    private_write(kept.token_file(agent), text.encode() + b"\n")
    return [*said, f"agent {name} proposes with the token {entry.id} in {kept.token_file(agent)}"]


def _works(layout: Layout, kept: Kept, agent: str, name: str) -> bool:
    try:
        holder = TokenFile(layout.tokens).holder_of(kept.token(agent))
    except WatchkeeperError:
        return False
    return holder is not None and holder.kind == "agent" and holder.name == name


def establish(home: Path, config: Path | None, capability: str) -> str:
    """Name a capability among those that held their authority before; say where.

    In the configuration given, else in the state folder's own, which is copied from the shipped one where
    there is none. Raises `InputError` and `PolicyError` for a configuration that is wrong.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.comments import CommentedSeq

    folder = config or home / "config"
    if not folder.exists():
        with storage_errors(folder):
            shutil.copytree(SHIPPED_CONFIG, folder)
    path = folder / "policies" / "rollouts.yaml"
    read_policy(folder / "policies")
    yaml = YAML(typ="rt")
    yaml.preserve_quotes, yaml.width = True, 4096
    tree = yaml.load(path.read_text(encoding="utf-8"))
    known = tree.get("established")
    if not isinstance(known, CommentedSeq):
        raise InputError("has no list `established`", place=str(path), cure="add it: established: []")
    if capability in known:
        return f"{capability} is established already, in {path}"
    known.append(capability)
    known.fa.set_flow_style()
    written = StringIO()
    yaml.dump(tree, written)
    with atomic_write(path) as file:
        file.write(written.getvalue().encode())
    read_policy(folder / "policies")
    return f"{capability} is established now, in {path}; a running service reads it when it starts anew"
