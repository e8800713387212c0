"""Databases that cannot be used: unreachable, locked, empty, foreign, newer, read-only."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, text

from catactl.store.tables import SCHEMA_REVISION
from tests.cli.support import NOBODY_LISTENS, Cli
from tests.support import ROOT, libpq_url, tampering, url_text


def test_a_server_that_cannot_be_reached_exits_69(stranger: Cli) -> None:
    error = stranger.fails(69, "org", "list", "--database-url", NOBODY_LISTENS)
    assert error["code"] == "database_unreachable"
    assert error["retryable"] is True


def test_a_locked_sqlite_is_not_waited_for(sqlite_cli: Cli, sqlite_url: URL) -> None:
    assert sqlite_url.database is not None
    holder = sqlite3.connect(sqlite_url.database, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        error = sqlite_cli.fails(75, "org", "create", "acme", "--lock-timeout", "0")
        assert (error["code"], error["retryable"]) == ("busy", True)
        assert sqlite_cli.ok("org", "list") == []  # readers do not wait
        sqlite_cli.fails(3, "org", "suspend", "acme", "--lock-timeout", "0")  # no such name
    finally:
        holder.close()


def test_a_locked_organization_is_not_waited_for(
    home: Path, postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATACTL_DATABASE_URL", url_text(postgresql_url))
    cli = Cli()
    cli.ok("org", "create", "acme")
    cli.ok("org", "create", "other")
    with tampering(postgresql_url) as holder:
        holder.execute(
            text(
                "SELECT 1 FROM logs JOIN organization_names USING (org_id)"
                " WHERE name = 'acme' FOR UPDATE OF logs"
            )
        )
        error = cli.fails(75, "org", "suspend", "acme", "--lock-timeout", "0")
        assert (error["code"], error["retryable"]) == ("busy", True)
        assert cli.ok("org", "suspend", "other", "--lock-timeout", "0")["status"] == "suspended"


@pytest.mark.parametrize("command", [["org", "list"], ["org", "create", "x"], ["usage", "check"]])
def test_an_empty_postgresql_database_is_reported_and_not_migrated(
    command: list[str], stranger: Cli, empty_postgresql_url: URL
) -> None:
    where = ["--database-url", url_text(empty_postgresql_url)]
    error = stranger.fails(78, *command, *where)
    assert error["code"] == "schema_mismatch"
    assert "catactl db upgrade" in error["hint"]


def test_upgrading_makes_an_empty_postgresql_usable(
    stranger: Cli, empty_postgresql_url: URL
) -> None:
    where = ["--database-url", url_text(empty_postgresql_url)]
    assert stranger.ok("db", "current", *where)["revision"] is None
    assert stranger("db", "check", *where).code == 78
    for _ in range(2):
        upgraded = stranger.ok("db", "upgrade", *where)
        assert upgraded["revision"] == upgraded["head"]
    assert stranger.ok("db", "check", *where)["ok"] is True
    assert stranger.ok("org", "list", *where) == []


def test_a_database_with_foreign_tables_is_not_migrated(
    stranger: Cli, empty_postgresql_url: URL
) -> None:
    with tampering(empty_postgresql_url) as conn:
        conn.execute(text("CREATE TABLE customers (id INTEGER)"))
    where = ["--database-url", url_text(empty_postgresql_url)]
    for command in (["org", "list"], ["db", "upgrade"], ["db", "check"]):
        error = stranger.fails(78, *command, *where)
        assert "of another program" in error["message"]


def test_a_sqlite_file_with_foreign_tables_is_not_migrated(stranger: Cli, tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    theirs = sqlite3.connect(path)
    theirs.execute("CREATE TABLE customers (id INTEGER)")
    theirs.commit()
    theirs.close()
    for command in (["org", "list"], ["org", "create", "x"], ["db", "upgrade"]):
        stranger.fails(78, *command, "--database-url", f"sqlite:///{path}")
    theirs = sqlite3.connect(path)
    tables = theirs.execute("SELECT name FROM sqlite_master").fetchall()
    theirs.close()
    assert tables == [("customers",)]


def test_a_schema_of_a_newer_version_is_refused(cli: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (["org", "list"], ["org", "create", "x"], ["db", "upgrade"], ["db", "check"]):
        error = cli.fails(78, *command)
        assert "'9999'" in error["message"]
        assert "newer" in error["hint"]


def test_a_file_that_is_not_a_database_is_refused(stranger: Cli, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look like one\n" * 50)
    stranger.fails(78, "org", "list", "--database-url", f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://root@host/db", "oracle+nope://x/y"])
def test_a_url_of_another_kind_exits_78(url: str, stranger: Cli) -> None:
    stranger.fails(78, "org", "list", "--database-url", url)


def test_a_read_only_sqlite_can_be_read_and_not_written(sqlite_cli: Cli, sqlite_url: URL) -> None:
    sqlite_cli.ok("org", "create", "acme")
    where = ["--database-url", f"sqlite:///file:{sqlite_url.database}?mode=ro&uri=true"]
    assert [row["name"] for row in sqlite_cli.ok("org", "list", *where)] == ["acme"]
    error = sqlite_cli.fails(77, "org", "create", "other", *where)
    assert (error["code"], error["retryable"]) == ("permission_denied", False)


def test_a_role_that_may_only_read_exits_77_on_postgresql(
    stranger: Cli, postgresql_url: URL
) -> None:
    role = f"reader_{postgresql_url.database}"[:60]
    with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as conn:
        conn.execute(f'CREATE ROLE "{role}" LOGIN'.encode())
        conn.execute(f'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{role}"'.encode())
        try:
            where = ["--database-url", url_text(postgresql_url.set(username=role))]
            assert stranger.ok("org", "list", *where) == []
            error = stranger.fails(77, "org", "create", "x", *where)
            assert error["code"] == "permission_denied"
        finally:
            conn.execute(f'DROP OWNED BY "{role}"'.encode())
            conn.execute(f'DROP ROLE "{role}"'.encode())


def test_a_role_without_login_exits_77(stranger: Cli, postgresql_url: URL) -> None:
    role = f"nologin_{postgresql_url.database}"[:60]
    with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as conn:
        conn.execute(f'CREATE ROLE "{role}" NOLOGIN'.encode())
        try:
            where = ["--database-url", url_text(postgresql_url.set(username=role))]
            assert stranger.fails(77, "org", "list", *where)["retryable"] is False
        finally:
            conn.execute(f'DROP ROLE "{role}"'.encode())


def test_two_revisions_exit_78_and_change_nothing(cli: Cli, database_url: URL) -> None:
    with tampering(database_url) as conn:
        conn.execute(text("INSERT INTO alembic_version VALUES ('9999')"))
    for command in ("org list", "db upgrade", "db check", "db current"):
        message = cli.fails(78, *command.split())["message"]
        assert message == f"alembic_version has 2 revisions: '{SCHEMA_REVISION}', '9999'"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("DELETE FROM alembic_version", "catactl's tables, but"),
        ("UPDATE alembic_version SET version_num = '0001'", "cannot be migrated from 0001"),
    ],
)
def test_a_revision_that_does_not_match_the_tables_exits_78(
    change: str, message: str, cli: Cli, database_url: URL
) -> None:
    cli.ok("org", "create", "acme")
    with tampering(database_url) as conn:
        conn.execute(text(change))
    error = cli.fails(78, "db", "upgrade")
    assert message in error["message"]
    assert "restore a backup" in error["hint"]


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        ("sslmode", "odd", 78),
        ("target_session_attrs", "odd", 78),
        ("channel_binding", "odd", 78),
        ("service", "missing", 78),
        ("connect_timeout", "odd", 78),
        ("connect_timeout", "3", 69),
    ],
)
def test_an_option_that_libpq_refuses_exits_78(
    parameter: str, value: str, expected: int, stranger: Cli
) -> None:
    url = f"postgresql://u@127.0.0.1:1/d?{parameter}={value}"  # no server listens there
    error = stranger.fails(expected, "org", "list", "--database-url", url)
    assert error["retryable"] is (expected == 69)


@pytest.mark.parametrize("search_path", ["", "nowhere"])
def test_a_search_path_without_a_schema_exits_78(
    stranger: Cli, postgresql_url: URL, search_path: str
) -> None:
    url = postgresql_url.update_query_dict({"options": f"-c search_path={search_path}"})
    for command in ("org list", "org create x", "db upgrade", "db check"):
        error = stranger.fails(78, *command.split(), "--database-url", url_text(url))
        assert "search_path" in error["message"]


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_is_not_utf_8_exits_78(
    stranger: Cli, postgresql_url: URL, encoding: str
) -> None:
    name = f"{encoding}_{postgresql_url.database}".lower()[:60]
    created = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'"
    with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as conn:
        conn.execute(f"{created} LC_COLLATE 'C' LC_CTYPE 'C'".encode())
        try:
            where = ["--database-url", url_text(postgresql_url.set(database=name))]
            for command in ("db upgrade", "db check", "org list"):
                error = stranger.fails(78, *command.split(), *where)
                assert (
                    error["message"]
                    == f"the database's encoding is {encoding}, but catactl needs UTF8"
                )
            examined = stranger("doctor", *where, "--json")
            assert examined.code == 6
            assert f"encoding is {encoding}" in examined.stdout
        finally:
            conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_a_folder_that_does_not_exist_exits_78(stranger: Cli, tmp_path: Path) -> None:
    where = f"sqlite:///{tmp_path}/no/such/folder/x.db"
    stranger.fails(78, "org", "list", "--database-url", where)


def test_a_postgresql_database_that_does_not_exist_exits_78(
    stranger: Cli, postgresql_url: URL
) -> None:
    where = ["--database-url", url_text(postgresql_url.set(database="no_such_database"))]
    assert "catactl db upgrade" in stranger.fails(78, "org", "list", *where)["hint"]


def test_the_default_database_is_made_at_first_use_for_its_owner_alone(
    stranger: Cli, home: Path
) -> None:
    assert stranger.ok("org", "list") == []
    path = home / "data" / "catactl" / "catactl.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_sqlite_file_whose_creation_was_interrupted_is_still_migrated(
    stranger: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "broken-off.db"
    theirs = sqlite3.connect(path)
    theirs.execute("PRAGMA journal_mode = WAL")
    theirs.close()
    assert path.stat().st_size > 0
    assert stranger.ok("org", "list", "--database-url", f"sqlite:///{path}") == []


def test_a_reader_that_stops_early_is_not_an_error(sqlite_cli: Cli) -> None:
    sqlite_cli.has_file()
    script = f'"{sys.executable}" -m catactl event list acme | head -n 0; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=300, check=True
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_sqlite_does_not_import_the_postgresql_driver(sqlite_cli: Cli) -> None:
    program = (
        "import sys; from catactl.__main__ import main; sys.argv = ['catactl', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if 'psycopg' in name or 'postgresql' in name])"
    )
    for command in ("org create acme -q", "file create acme data.bin -q", "usage check -q"):
        done = subprocess.run(
            [sys.executable, "-c", program, *command.split()],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=300,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("[]\n", "")
