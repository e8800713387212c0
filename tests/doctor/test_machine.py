"""Who can read the files, and how much space the disk has."""

from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.cli.support import NOBODY_LISTENS, Cli
from tests.doctor.support import GIB, Examined, configure, set_free_space


def test_passwords_that_others_can_read_are_reported_with_the_fix(
    stranger: Cli, home: Path
) -> None:
    config = configure(home, f"database_url = '{NOBODY_LISTENS}'")
    secret = home / "url of database"
    secret.write_text(NOBODY_LISTENS)
    where = ["--database-url-file", secret]
    for path in (config, secret):
        path.chmod(0o600)
    assert Examined(stranger, *where)["secrets"]["status"] == "ok"
    config.chmod(0o604)
    secret.chmod(0o644)
    found = [check for check in Examined(stranger, *where).checks if check["name"] == "secrets"]
    assert [check["hint"] for check in found] == [f"chmod 600 {config}", f"chmod 600 '{secret}'"]
    assert {check["status"] for check in found} == {"warning"}
    for path in (config, secret):
        path.write_text("sqlite:////no/secret.db" if path == secret else "actor = 'nobody'")
    assert Examined(stranger, *where)["secrets"]["status"] == "ok"


def test_a_database_that_others_can_read_or_replace_is_reported(
    sqlite_cli: Cli, sqlite_url: URL
) -> None:
    assert sqlite_url.database is not None
    path = Path(sqlite_url.database)
    path.chmod(0o640)
    examined = Examined(sqlite_cli)
    assert (examined.code, examined["access"]["status"]) == (0, "warning")
    assert examined["access"]["hint"].startswith(f"chmod 600 {path}")
    path.chmod(0o600)
    path.parent.chmod(0o777)
    assert Examined(sqlite_cli)["access"]["hint"] == f"chmod o-w {path.parent}"


@pytest.mark.parametrize(
    ("free_bytes", "status"),
    [(11 * GIB, "ok"), (9 * GIB, "warning"), (99 * 1024**2, "problem")],
)
def test_a_disk_that_is_almost_full_is_reported(
    free_bytes: int, status: str, sqlite_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free_space(monkeypatch, free_bytes)
    disk = Examined(sqlite_cli)["disk"]
    assert disk["status"] == status
    assert "of 100.0 GiB are free for the database and the content" in disk["message"]
