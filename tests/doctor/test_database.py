"""Examinations of the database and its clock."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, event, text

from catactl.doctor import database, machine, sqlite
from catactl.doctor.findings import Status
from catactl.store import server_status
from tests.cli.support import Cli
from tests.doctor.support import Examined
from tests.support import be_ahead, tampering, url_text


@pytest.mark.parametrize(
    ("revision", "hint"), [("0001", "catactl db upgrade"), ("9999", "upgrade catactl")]
)
def test_a_schema_of_another_version_is_a_problem(
    revision: str, hint: str, cli: Cli, database_url: URL
) -> None:
    with tampering(database_url) as conn:
        conn.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))
    examined = Examined(cli)
    assert "schema" in examined.with_status("problem")
    assert revision in examined["schema"]["message"]
    assert hint in examined["schema"]["hint"]
    assert {"log", "usage", "clock"} <= examined.with_status("skipped")


def test_an_empty_server_is_a_problem(stranger: Cli, empty_postgresql_url: URL) -> None:
    examined = Examined(stranger, "--database-url", url_text(empty_postgresql_url))
    assert examined["schema"]["message"] == "the database is empty"
    assert examined["content"]["status"] == "warning"
    assert "exit 78" in examined["content"]["message"]


def test_an_old_server_is_a_problem(
    stranger: Cli, empty_postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_status, "server_version", lambda _: ("12.3", 12))
    examined = Examined(stranger, "--database-url", url_text(empty_postgresql_url))
    assert examined["database"]["message"] == "PostgreSQL 12.3 is too old"


def test_a_setting_that_endangers_commits_is_a_problem(stranger: Cli, postgresql_url: URL) -> None:
    url = postgresql_url.update_query_dict({"options": "-csynchronous_commit=off"})
    checks = Examined(stranger, "--database-url", url_text(url)).checks
    (found,) = (check for check in checks if "synchronous_commit is off" in check["message"])
    assert (found["name"], found["status"]) == ("durability", "problem")
    hint = "set synchronous_commit = on in the database URL's options or PGOPTIONS"
    assert found["hint"] == hint


def test_a_standby_is_a_problem(
    stranger: Cli, postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_status, "is_standby", lambda _: True)
    examined = Examined(stranger, "--database-url", url_text(postgresql_url))
    assert "standby" in examined["writable"]["message"]


def test_a_database_that_can_only_be_read_is_a_problem(stranger: Cli, sqlite_url: URL) -> None:
    url = f"sqlite:///file:{sqlite_url.database}?mode=ro&uri=true"
    examined = Examined(stranger, "--database-url", url)
    assert examined["writable"]["status"] == "problem"
    assert examined["schema"]["status"] == "ok"


def test_sqlite_without_write_ahead_log_is_reported(stranger: Cli, tmp_path: Path) -> None:
    # The dotfile VFS has no shared memory, so wal is not available.
    where = ["--database-url", f"sqlite:///file:{tmp_path}/x.db?vfs=unix-dotfile&uri=true"]
    stranger.ok("db", "upgrade", *where)
    assert "journal mode is delete" in Examined(stranger, *where)["durability"]["message"]


def test_sqlite_on_a_network_is_reported(sqlite_cli: Cli, tmp_path: Path) -> None:
    machine.MOUNTS.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        f"server:/ {tmp_path} nfs4 rw 0 0\n"
        f"server:/ {tmp_path}/elsewhere\\040far cifs rw 0 0\n"
    )
    examined = Examined(sqlite_cli)
    assert "is on nfs4" in examined["durability"]["message"]
    assert machine.network_file_system(tmp_path / "elsewhere far" / "x.db") == "cifs"
    assert machine.network_file_system(Path("/x.db")) is None


def test_sqlite_that_does_not_sync_is_a_problem(sqlite_engine: Engine) -> None:
    @event.listens_for(sqlite_engine, "connect")
    def set_synchronous_normal(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = NORMAL")

    (finding,) = sqlite.durability(sqlite_engine)
    assert (finding.status, finding.hint) == (Status.PROBLEM, "PRAGMA synchronous = FULL")


def test_a_damaged_file_is_a_problem(sqlite_acme: Cli, sqlite_url: URL) -> None:
    assert sqlite_url.database is not None
    with sqlite3.connect(sqlite_url.database) as conn:
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        page = conn.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'file_parts'"
        ).fetchone()[0]
    conn.close()
    with open(sqlite_url.database, "r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xff" * 100)
    assert Examined(sqlite_acme)["integrity"]["status"] == "problem"


def test_a_large_file_is_skipped(sqlite_cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "MAX_BYTES_READ", 1)
    assert Examined(sqlite_cli)["integrity"]["status"] == "skipped"


def test_doctor_does_not_wait_for_a_lock(acme: Cli, database_url: URL) -> None:
    with tampering(database_url) as holder:
        holder.execute(text("UPDATE logs SET position = position"))
        if database_url.get_backend_name() == "sqlite":
            assert "another process is writing" in Examined(acme)["writable"]["message"]
            return
        assert Examined(acme)["log"]["status"] == "ok"
        holder.execute(text("LOCK TABLE events"))
        examined = Examined(acme)
    assert "lock" in examined["log"]["message"]
    assert examined["schema"]["status"] == "ok"


@pytest.mark.parametrize(("seconds", "status"), [(10, "warning"), (600, "problem")])
def test_a_clock_that_differs_from_the_servers_is_reported(
    seconds: int, status: str, acme: Cli, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = timedelta(seconds=seconds)
    monkeypatch.setattr(database, "now", lambda: datetime.now(UTC) - behind)
    found = [check for check in Examined(acme).checks if check["name"] == "clock"]
    assert [check["status"] for check in found] == [status]
    is_server = database_url.get_backend_name() == "postgresql"
    assert ("the server's are" in found[0]["message"]) is is_server


@pytest.mark.parametrize(("seconds", "status"), [(50, "warning"), (86_400, "problem")])
def test_a_log_that_is_ahead_of_the_clock_is_reported(
    seconds: int, status: str, acme: Cli, engine: Engine
) -> None:
    be_ahead(engine, seconds=seconds)
    found = [check for check in Examined(acme).checks if check["name"] == "clock"]
    assert [check["status"] for check in found] == [status]
    assert "the log of organization 'acme' is " in found[0]["message"]
    assert "catactl event correct-clock acme" in found[0]["hint"]
