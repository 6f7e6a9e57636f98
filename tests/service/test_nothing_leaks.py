"""The service as people run it: secrets sent to it, and printed by what it runs, are nowhere afterwards."""

import stat

import pytest

from engine.adapters.files import open_to_others
from tests.privacy.planting import Planter, forms_of
from tests.service.services import service

GIT = (
    "git init -q . && git -c user.name=a -c user.email=a@b.example commit -q --allow-empty "
    '-m "$(cat planted)" && git log'
)
pytestmark = pytest.mark.slow


def test_what_is_sent_and_what_programs_print_is_nowhere(tmp_path):
    planter = Planter(99)
    with service(tmp_path) as running:
        denied = running.propose("file.write", {"path": "notes.md", "content": f"key = {planter.text()}"})
        assert denied.json()["word"] == "deny"
        own = planter.name()
        running.layout.secrets.mkdir(mode=0o700)
        (running.layout.secrets / "TICKETS").write_text("quite-plain-value\n")
        lines = (
            f"printf '%s' 'ghp_' > parts; echo {own[:9]} >/dev/null",
            'cat planted; cat planted >&2; touch "$(cat planted)"; ls; exit 3',
            "echo quite-plain-value; echo quite-plain-value | base64; no-such-command-quite-plain-value",
            GIT,
        )
        (running.home / "workspace" / "planted").write_text(own)
        for line in lines:
            done = running.propose(
                "shell.run", {"command": line}, wait_s=30, rationale=f"so: {planter.text()}"
            )
            assert done.status_code < 500, done.text
        running.post("/v1/kill", reason=f"it printed {planter.text()}", scope="agent:nobody")
        assert running.cli("journal", "export", "-o", str(tmp_path / "export.wkr")).returncode == 0
        shown = "".join(running.cli(*words).stdout for words in (("status",), ("decisions",)))
        undo = running.layout.undo
        assert running.propose("file.write", {"path": "a.md", "content": "b"}, wait_s=30).status_code == 200
        assert not open_to_others(undo), "what it keeps to undo is for its owner only"
        files = [path for path in undo.rglob("*") if path.is_file()]
        assert files
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} <= {0o600, 0o400}
    kept = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in tmp_path.rglob("*")
        if path.is_file() and not {"workspace", "undo", "secrets", "tokens.json"} & set(path.parts)
    }
    kept["shown"] = shown.encode()
    kept["names"] = "\n".join(name for name in kept).encode()
    assert any(name.endswith("journal.db") for name in kept)
    found = [
        f"{place}: {secret[:12]} in {form}"
        for place, content in kept.items()
        for secret in (*planter.made, "quite-plain-value")
        for form, data in forms_of(secret).items()
        if data in content
    ]
    assert found == []
