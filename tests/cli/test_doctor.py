"""Each examination accepts a sound installation and reports a broken one; none changes anything."""

import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import URL, Engine, event, text

from catactl.doctor import database, machine, samples, sqlite
from catactl.doctor.findings import Status
from catactl.store import server_status
from catactl.usage import check as usage_check
from tests.cli.support import Cli
from tests.cli.test_database import _NOBODY_LISTENS, url_text
from tests.support import be_ahead, tampering

_GIB = 1024**3


@pytest.fixture(autouse=True)
def sound_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the machine has free disk space and no network file system."""
    monkeypatch.setattr(machine, "MOUNTS", tmp_path / "mounts")
    set_free_space(monkeypatch, 50 * _GIB)


def set_free_space(monkeypatch: pytest.MonkeyPatch, free_bytes: int) -> None:
    space = SimpleNamespace(total=100 * _GIB, free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: space)


class Examined:
    """The result of a run of `catactl doctor`."""

    def __init__(self, cli: Cli, *arguments: object) -> None:
        result = cli("doctor", *arguments, "--json")
        report = result.json
        self.code, self.checks, self.text = result.code, report["checks"], result.stdout
        statuses = [check["status"] for check in self.checks]
        assert (report["problems"], report["warnings"]) == (
            statuses.count("problem"),
            statuses.count("warning"),
        )
        assert report["ok"] is (report["problems"] == 0) is (result.code == 0)
        assert result.code in {0, 6}
        for check in self.checks:
            assert set(check) == {"name", "status", "message", "hint"}
            assert (check["hint"] is not None) is (check["status"] in {"warning", "problem"}), check

    def __getitem__(self, name: str) -> dict[str, Any]:
        """Return the examination's only finding."""
        (check,) = (check for check in self.checks if check["name"] == name)
        return dict(check)

    def with_status(self, status: str) -> set[str]:
        return {check["name"] for check in self.checks if check["status"] == status}


def test_a_sound_installation_is_ok(
    cli: Cli, database_url: URL, blob_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "data.bin").write_bytes(b"content")
    cli.ok("org", "create", "acme")
    cli.ok("file", "upload", "acme", tmp_path / "data.bin")
    before = sorted(blob_folder.rglob("*"))
    is_sqlite = database_url.get_backend_name() == "sqlite"
    if is_sqlite:
        (tmp_path / "catactl.db").chmod(0o600)
    examined = Examined(cli)
    if is_sqlite:
        assert (examined.code, examined.with_status("ok")) == (0, {*names(examined)})
    else:
        # The test server runs with fsync off, and its user owns all tables.
        assert names(examined) - examined.with_status("ok") <= {"durability", "access"}
        assert examined["access"]["status"] == "warning"
        assert "db grants" in examined["access"]["hint"]
    assert "the hash chains of 1 organization are intact" in examined["log"]["message"]
    assert sorted(blob_folder.rglob("*")) == before


def names(examined: Examined) -> set[str]:
    return {check["name"] for check in examined.checks}


def test_nothing_is_created_where_nothing_exists(stranger: Cli, home: Path) -> None:
    examined = Examined(stranger)
    assert "created at first use" in examined["database"]["message"]
    assert (examined.code, examined["content"]["status"]) == (0, "ok")
    assert {"schema", "log", "usage"} <= examined.with_status("skipped")
    assert list(home.iterdir()) == []


def test_a_missing_folder_is_a_problem(stranger: Cli, tmp_path: Path) -> None:
    examined = Examined(stranger, "--database-url", f"sqlite:///{tmp_path}/no/such/x.db")
    assert "no/such does not exist" in examined["database"]["message"]


def test_an_unreachable_server_is_one_problem_and_the_other_examinations_run(
    stranger: Cli, blob_folder: Path
) -> None:
    where = ["--database-url", _NOBODY_LISTENS, "--blob-url", blob_folder.as_uri()]
    examined = Examined(stranger, *where)
    assert examined.with_status("problem") == {"database"}
    assert examined.with_status("ok") == {"settings", "secrets", "content", "disk"}
    assert "s3cr3t" not in examined.text
    assert not blob_folder.exists()


def test_a_problem_is_also_an_error_with_a_hint(stranger: Cli) -> None:
    result = stranger("doctor", "--database-url", _NOBODY_LISTENS, "--quiet")
    assert (result.code, result.stdout) == (6, "")
    assert "1 problem; database: cannot reach the database" in result.stderr
    assert "hint: check the server" in result.stderr
    assert "s3cr3t" not in result.stderr


@pytest.mark.parametrize(
    ("toml", "arguments", "message"),
    [
        ("actr = 'x'", [], "unknown key 'actr'"),
        ("", ["--profile", "nobody"], "no profile 'nobody'"),
        ("lock_timeout = 'long'", [], "not a number of seconds"),
        ("", ["--database-url", "mysql://me:s3cr3t@host/x"], "not supported"),
    ],
)
def test_settings_that_cannot_be_used_are_a_problem(
    toml: str, arguments: list[str], message: str, stranger: Cli, home: Path
) -> None:
    configure(home, toml)
    examined = Examined(stranger, *arguments)
    assert examined.with_status("problem") == {"settings"}
    assert message in examined["settings"]["message"]
    assert "s3cr3t" not in examined.text


def configure(home: Path, toml: str) -> Path:
    path = home / "config" / "catactl" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(toml)
    return path


def test_an_output_format_that_cannot_be_used_is_reported_in_another(
    stranger: Cli, home: Path
) -> None:
    configure(home, "output = 'xml'")
    result = stranger("doctor")
    assert result.code == 6
    assert result.lines[0].startswith("problem\tsettings\tno output format 'xml'")


def test_settings_show_where_the_database_is_named(stranger: Cli, home: Path) -> None:
    path = configure(home, f"[profiles.far]\ndatabase_url = '{_NOBODY_LISTENS}'\n")
    message = Examined(stranger, "--profile", "far")["settings"]["message"]
    assert f"{path} is read, profile far; database postgresql://admin:***@" in message


def test_a_mistake_on_the_command_line_is_an_error_not_a_finding(stranger: Cli) -> None:
    stranger.fails(2, "doctor", "--lock-timeout", "-1")


# --- files ----------------------------------------------------------------------------------------


def test_passwords_that_others_can_read_are_reported_with_the_fix(
    stranger: Cli, home: Path
) -> None:
    config = configure(home, f"database_url = '{_NOBODY_LISTENS}'")
    secret = home / "url of database"
    secret.write_text(_NOBODY_LISTENS)
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


# --- database -------------------------------------------------------------------------------------


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
    assert "lies on nfs4" in examined["durability"]["message"]
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


def test_a_lock_is_not_waited_for(acme: Cli, database_url: URL) -> None:
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


# --- samples of logs, usage and rows --------------------------------------------------------------


def test_a_changed_event_is_a_problem_of_the_log_alone(acme: Cli, database_url: URL) -> None:
    tamper(database_url, position=1)
    examined = Examined(acme)
    assert "the hash chain of 'acme' breaks at position 1" in examined["log"]["message"]
    assert "catactl event verify" in examined["log"]["hint"]
    assert examined["usage"]["status"] == "ok"


def tamper(url: URL, position: int) -> None:
    with tampering(url) as conn:
        conn.execute(
            text("UPDATE events SET actor = 'somebody else' WHERE position = :position"),
            {"position": position},
        )


def test_long_logs_and_many_organizations_are_sampled(
    acme: Cli, database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("suspend", "resume", "suspend"):
        acme.ok("org", name, "acme")
    monkeypatch.setattr(samples, "EVENTS", 2)
    monkeypatch.setattr(samples, "SHORT_LOG_EVENTS", 3)
    tamper(database_url, position=2)
    examined = Examined(acme)
    assert "the last 2 events of 1 of 1 organization are intact" in examined["log"]["message"]
    assert "every log has more than 3 events" in examined["usage"]["message"]
    assert "every log has more than 2 events" in examined["rows"]["message"]
    acme.ok("org", "create", "newer")
    monkeypatch.setattr(samples, "LOGS", 1)
    tamper(database_url, position=3)
    examined = Examined(acme)
    assert "the last 2 events of 1 of 2 organizations are intact" in examined["log"]["message"]
    assert "usage of 1 of 2 organizations" in examined["usage"]["message"]
    assert "every stored row of 1 of 2 organizations" in examined["rows"]["message"]
    monkeypatch.setattr(samples, "LOGS", 2)
    assert "breaks at position 3" in Examined(acme)["log"]["message"]


def test_usage_that_drifted_is_a_problem(cli: Cli, database_url: URL) -> None:
    cli.has_file("acme", "data.bin", 10)
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE storage_usage SET used_bytes = 11"))
    examined = Examined(cli)
    assert "in 1 of 1 organization, among them 'acme'" in examined["usage"]["message"]
    assert "catactl usage recompute" in examined["usage"]["hint"]
    assert examined["log"]["status"] == "ok"


def test_a_row_that_differs_from_its_events_is_a_problem(cli: Cli, database_url: URL) -> None:
    cli.has_file("acme", "data.bin", 10)
    assert Examined(cli)["rows"]["status"] == "ok"
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE files SET completed = true"))
    examined = Examined(cli)
    assert examined["usage"]["status"] == "ok"
    assert examined["rows"]["status"] == "problem"
    assert "in 1 of 1 organization, among them 'acme'" in examined["rows"]["message"]
    assert "catactl projection rebuild" in examined["rows"]["hint"]


def test_an_error_in_an_examination_is_its_finding(
    sqlite_cli: Cli, sqlite_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite_cli.has_file("acme", "data.bin", 10)
    with tampering(sqlite_url) as conn:
        conn.execute(text("UPDATE events SET payload = '{' WHERE type = 'file.part_uploaded'"))
    examined = Examined(sqlite_cli)
    assert examined.with_status("problem") == {"log", "usage", "rows"}
    assert "stored data cannot be read" in examined["usage"]["message"]
    assert examined["content"]["status"] == "ok"
    monkeypatch.setattr(usage_check, "compare", lambda *_: [][0])
    assert "cannot be examined" in Examined(sqlite_cli)["usage"]["message"]


# --- clocks ---------------------------------------------------------------------------------------


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


# --- content and disk -----------------------------------------------------------------------------


def test_a_blob_store_that_cannot_be_written_is_a_problem(cli: Cli, blob_folder: Path) -> None:
    blob_folder.touch()
    examined = Examined(cli)
    assert "Not a directory" in examined["content"]["message"]
    assert "catactl config show" in examined["content"]["hint"]


def test_a_blob_store_in_a_missing_folder_is_a_problem(sqlite_cli: Cli) -> None:
    examined = Examined(sqlite_cli, "--blob-url", "file:///no/such/folder/blobs")
    assert "the folder /no/such/folder does not exist" in examined["content"]["message"]


def test_a_blob_store_of_an_unknown_kind_is_a_problem_of_the_content_only(sqlite_cli: Cli) -> None:
    examined = Examined(sqlite_cli, "--blob-url", "ftp://host/blobs")
    assert examined.with_status("problem") == {"content"}
    assert "for the database in" in examined["disk"]["message"]


def test_a_blob_store_that_everybody_can_write_to_is_reported(
    sqlite_cli: Cli, blob_folder: Path
) -> None:
    blob_folder.mkdir()
    blob_folder.chmod(0o777)
    assert Examined(sqlite_cli)["content"]["hint"] == f"chmod o-w {blob_folder}"


@pytest.mark.parametrize(
    ("free_bytes", "status"),
    [(11 * _GIB, "ok"), (9 * _GIB, "warning"), (99 * 1024**2, "problem")],
)
def test_a_disk_that_is_almost_full_is_reported(
    free_bytes: int, status: str, sqlite_cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_free_space(monkeypatch, free_bytes)
    disk = Examined(sqlite_cli)["disk"]
    assert disk["status"] == status
    assert "of 100.0 GiB are free for the database and the content" in disk["message"]
