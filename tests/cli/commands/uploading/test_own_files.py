"""The database and the stored content are never uploaded."""

import os
from pathlib import Path

import pytest

from tests.cli.support import Cli


@pytest.fixture
def at_home(sqlite_acme: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a CLI and a folder `home` that holds the database, its content, and a file and links
    of the user.
    """
    sqlite_acme("org", "list")
    home = tmp_path / "home"
    for name in os.listdir(tmp_path):
        if name.startswith("catactl.db"):
            (tmp_path / name).rename(home / name)
    monkeypatch.setenv("CATACTL_DATABASE_URL", f"sqlite:///{home}/catactl.db")
    (home / "mine").write_bytes(b"mine")
    sqlite_acme.ok("file", "upload", "acme", home / "mine", "--name", "before")
    (home / "database").symlink_to("catactl.db")
    (home / "content").symlink_to("blobs")
    (org,) = (home / "blobs").iterdir()
    (home / "organization").symlink_to(org)
    os.link(home / "catactl.db", home / "hard-link")
    monkeypatch.chdir(home)
    return sqlite_acme


@pytest.mark.parametrize("way", ["absolute", "relative", "through a link"])
@pytest.mark.parametrize("more", [(), ("--follow-links",)])
def test_a_folder_is_uploaded_without_the_database_and_content_in_it(
    way: str, more: tuple[str, ...], at_home: Cli, tmp_path: Path
) -> None:
    path = {"absolute": tmp_path / "home", "relative": ".", "through a link": f"{tmp_path}/link/"}
    (tmp_path / "link").symlink_to("home")
    result = at_home("file", "upload", "acme", path[way], *more)
    assert result.code == 0
    names = {row["name"] for row in at_home.ok("file", "list", "acme")}
    assert names == {"before", "mine"}
    for name in ("catactl.db", "catactl.db-wal", "catactl.db-shm", "hard-link"):
        assert f"/{name}: catactl's own database\n" in result.stderr
    assert "/blobs: catactl's own content\n" in result.stderr
    if more:
        assert "/database: catactl's own database\n" in result.stderr
        for name in ("content", "organization"):
            assert f"/{name}: catactl's own content\n" in result.stderr


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("catactl.db", "database"),
        ("../home/catactl.db-wal", "database"),
        ("hard-link", "database"),
        ("database", "database"),
        ("blobs", "content"),
        ("content", "content"),
        ("organization", "content"),
        ("organization/head", "content"),
    ],
)
def test_a_file_of_catactl_is_refused_as_an_argument(path: str, what: str, at_home: Cli) -> None:
    at_home.ok("file", "create", "acme", "parts")
    for command in (("file", "upload", "acme"), ("part", "upload", "acme", "parts", 1)):
        error = at_home.fails(2, *command, path)
        assert error["message"] == f"{path!r} is catactl's own {what}"
    result = at_home("file", "upload", "acme", path, "mine", "--json")
    assert (result.code, [row["outcome"] for row in result.json]) == (7, ["failed", "uploaded"])


def test_content_is_left_out_if_the_database_is_a_server(
    acme: Cli, tmp_path: Path, blob_folder: Path
) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    acme.ok("file", "upload", "acme", tmp_path / "mine")
    result = acme("file", "upload", "acme", blob_folder.parent)
    assert f"skipped {blob_folder}: catactl's own content\n" in result.stderr
    assert {row["name"] for row in acme.ok("file", "list", "acme")} == {"mine"}
