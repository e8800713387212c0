"""The program with a home of its own, so that no configuration of the person testing is read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL

from catactl.cli.commands import uploading
from tests.cli.support import Cli

Say = Callable[[bytes], None]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and no setting in the environment."""
    for name in list(os.environ):
        if name.startswith("CATACTL_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("CATACTL_ACTOR", "tester")
    return home


@pytest.fixture
def stranger(home: Path) -> Cli:
    """The program where no database is configured."""
    return Cli()


@pytest.fixture
def cli(home: Path, database_url: URL, blob_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The program on a fresh database of either kind."""
    monkeypatch.setenv("CATACTL_DATABASE_URL", database_url.render_as_string(hide_password=False))
    if database_url.get_backend_name() != "sqlite":
        monkeypatch.setenv("CATACTL_BLOB_URL", blob_folder.as_uri())
    return Cli()


@pytest.fixture
def blob_folder(tmp_path: Path) -> Path:
    """Where content is kept: beside a SQLite database, or as configured."""
    return tmp_path / "blobs"


@pytest.fixture
def acme(cli: Cli) -> Cli:
    """The program, with an organization of that name."""
    cli.ok("org", "create", "acme")
    return cli


@pytest.fixture
def sqlite_cli(home: Path, sqlite_url: URL, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The program on SQLite, for what no database has a say in."""
    monkeypatch.setenv("CATACTL_DATABASE_URL", str(sqlite_url))
    return Cli()


@pytest.fixture
def sqlite_acme(sqlite_cli: Cli) -> Cli:
    """The same on SQLite, for what no database has a say in."""
    sqlite_cli.ok("org", "create", "acme")
    return sqlite_cli


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Say:
    """Set the bytes that the next upload reads from standard input."""

    def say(content: bytes) -> None:
        reader, writer = os.pipe()
        os.write(writer, content)
        os.close(writer)
        monkeypatch.setattr(uploading, "_STDIN", reader)

    return say
