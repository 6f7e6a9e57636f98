"""The secrets that an installation itself knows."""

from engine.adapters.known_secrets import KnownSecrets


def test_files_and_variables_are_known_and_changes_are_seen(tmp_path):
    folder, alone = tmp_path / "secrets", tmp_path / "link-secret"
    known = KnownSecrets(
        [folder, alone], {"WATCHKEEPER_SECRET_A": "from-the-environment", "PATH": "/usr/bin:/bin"}
    )
    assert known() == ("from-the-environment",)
    folder.mkdir()
    (folder / "TICKETS").write_text("quite-plain\n")
    (folder / "SHORT").write_text("on")
    (folder / "NOISE").write_bytes(b"\xff\xfe\x00")
    alone.write_text("abcdef012345")
    assert known() == ("abcdef012345", "from-the-environment", "quite-plain")
    assert known() is known()
    (folder / "TICKETS").unlink()
    assert "quite-plain" not in known()
