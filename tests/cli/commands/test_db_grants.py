"""`db grants` on a real server: the role can run all commands but not change events."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL

from catactl.cli.framework import command_tree
from catactl.store.tables import metadata
from tests.cli.support import Cli, leaves_of
from tests.support import be_ahead, libpq_url, opened, url_text

_POSTGRESQL = "postgresql://owner@127.0.0.1:1/catacloud"  # no server listens there
# Commands without a database, or with another one. `doctor` has a test of its own.
_APART = {"completion", "config", "demo", "doctor", "help", "schema", "topology", "version"}
_TOUCHING_THE_PAST = [
    "UPDATE events SET actor = 'somebody else'",
    "DELETE FROM events",
    "TRUNCATE events",
]
_DIGEST = "0" * 64


@pytest.fixture
def owner(postgresql_url: URL) -> Iterator[psycopg.Connection]:
    with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as conn:
        yield conn


@pytest.fixture
def role(owner: psycopg.Connection) -> Iterator[str]:
    """Return a new role without privileges, whose name has to be quoted."""
    name = f'App{uuid4().hex}";--%'
    owner.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'app'").format(sql.Identifier(name)))
    yield name
    owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def app_url(postgresql_url: URL, owner: psycopg.Connection, role: str, stranger: Cli) -> URL:
    """Run the SQL twice on a role with too many privileges. Return its URL of the database."""
    owner.execute(sql.SQL("GRANT ALL ON events TO {}").format(sql.Identifier(role)))
    printed = stranger("db", "grants", role, "--database-url", _POSTGRESQL)
    assert (printed.code, printed.stderr) == (0, "")
    for _ in range(2):
        owner.execute(printed.stdout.encode())
    return postgresql_url.set(username=role, password="app")


@pytest.fixture
def app(app_url: URL, blob_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return a CLI that runs as the role."""
    monkeypatch.setenv("CATACTL_DATABASE_URL", url_text(app_url))
    monkeypatch.setenv("CATACTL_BLOB_URL", blob_folder.as_uri())
    return Cli()


def test_the_role_can_run_every_command(app: Cli, postgresql_url: URL, tmp_path: Path) -> None:
    app.ok("org", "create", "ahead")
    with opened(postgresql_url) as engine:
        be_ahead(engine, "ahead")
    source = tmp_path / "data.bin"
    source.write_bytes(b"content")
    lines = tmp_path / "lines.jsonl"
    lines.write_text('{"command": "org.create", "name": "other", "key": "line"}\n')
    typed = [
        "org create acme --idempotency-key key",
        "org create acme --idempotency-key key",
        "event correct-clock ahead --yes",
        "org list",
        "org show acme",
        "org rename acme acme2",
        "org rename acme2 acme",
        "org suspend acme",
        "org resume acme",
        f"apply --from {lines}",
        "quota set acme 1GB",
        "quota clear acme",
        "quota list",
        "user add acme ada@example.com",
        "user update acme ada@example.com --name Ada",
        "user disable acme ada@example.com",
        "user enable acme ada@example.com",
        "user show acme ada@example.com",
        "user list acme",
        "user remove acme ada@example.com --yes",
        f"file upload acme {source}",
        f"file download acme data.bin --to {tmp_path / 'back'}",
        "file verify acme",
        "file create acme parts",
        f"part upload acme parts 1 {source}",
        f"part record acme parts 2 --size 5 --sha256 {_DIGEST}",
        f"part record acme parts 2 --size 6 --sha256 {_DIGEST}",
        "part list acme parts",
        "file complete acme parts",
        "file show acme parts",
        "file list acme",
        "job create acme nightly --image job:1 --input parts",
        "job update acme nightly --image job:2",
        "job disable acme nightly",
        "job enable acme nightly",
        "job show acme nightly",
        "job list acme",
        "job delete acme nightly --yes",
        "file delete acme parts --yes",
        "file restore acme parts",
        "file delete acme data.bin parts --yes",
        "blob verify",
        "blob gc --older-than 0 --yes",
        "usage show",
        "usage check",
        "usage recompute",
        "usage history acme",
        "usage report",
        "usage top",
        "usage explain acme",
        "usage export --format cloudevents",
        "event list acme",
        "event show acme 1",
        "event trace acme 1",
        "event verify",
        "projection list",
        "projection check",
        "projection rebuild",
        "db current",
        "db check",
        "db upgrade",  # because there is nothing to migrate
        "db grants app",
        "org delete acme --confirm acme",
    ]
    for line in typed:
        app.ok(*line.split())
    first_words = {*command_tree.NOUNS, *command_tree.COMMANDS} - _APART
    every = [" ".join(path) for first in first_words for path in leaves_of(first)]
    run = tuple(f"{line} " for line in typed)
    not_run = [path for path in every if not any(each.startswith(f"{path} ") for each in run)]
    assert not_run == [], "what is new has to be run here as well"


def test_the_role_can_correct_usage_that_drifted(app: Cli, owner: psycopg.Connection) -> None:
    app.has_file("acme", "data.bin", 10)
    owner.execute("UPDATE organizations SET used_bytes = 11")
    owner.execute("DELETE FROM storage_usage")
    assert app.ok("usage", "recompute")["drifted"] == 1
    assert app.ok("usage", "check")["drifted"] == 0


def test_the_database_refuses_the_role_a_change_of_the_past(
    app: Cli, app_url: URL, owner: psycopg.Connection, role: str
) -> None:
    app.ok("org", "create", "acme")
    for statement in _TOUCHING_THE_PAST:
        assert not _is_done(app_url, statement)
    # The only reason for the refusal is the missing grant.
    grant = sql.SQL("GRANT UPDATE, DELETE, TRUNCATE ON events TO {}").format(sql.Identifier(role))
    owner.execute(grant)
    for statement in _TOUCHING_THE_PAST:
        assert _is_done(app_url, statement)


def _is_done(url: URL, statement: str) -> bool:
    """Return whether the database accepts the statement, and roll it back."""
    with psycopg.connect(libpq_url(url)) as conn:
        try:
            conn.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return False
        finally:
            conn.rollback()
    return True


def test_the_doctor_reports_missing_and_excessive_rights_of_the_role(
    app: Cli, owner: psycopg.Connection, role: str
) -> None:
    def access() -> list[tuple[str, str, str]]:
        checks = app("doctor", "--json").json["checks"]
        return [
            (check["status"], check["message"], check["hint"])
            for check in checks
            if check["name"] == "access"
        ]

    assert [status for status, *_ in access()] == ["ok"]
    name = sql.Identifier(role)
    owner.execute(sql.SQL("REVOKE INSERT ON users FROM {}").format(name))
    owner.execute(sql.SQL("GRANT UPDATE (actor) ON events TO {}").format(name))
    (lacks, may) = access()
    assert lacks[0] == "problem"
    assert lacks[1].endswith("lacks INSERT on users")
    assert (may[0], "may update, delete or truncate events" in may[1]) == ("warning", True)
    assert lacks[2] == may[2]
    assert "catactl db grants" in may[2]


def test_the_role_is_refused_an_upgrade(app: Cli, owner: psycopg.Connection) -> None:
    owner.execute("UPDATE alembic_version SET version_num = '0001'")
    error = app.fails(77, "db", "upgrade")
    assert "must be owner of table" in error["message"]
    assert "role that owns the tables" in error["hint"]


@pytest.mark.parametrize(
    ("table", "command"),
    [("events", "event verify"), ("organizations", "org list"), ("file_parts", "part list acme f")],
)
def test_a_policy_that_hides_rows_is_an_error(
    app: Cli, owner: psycopg.Connection, table: str, command: str
) -> None:
    app.ok("org", "create", "acme")
    app.ok("file", "create", "acme", "f")
    owner.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(sql.Identifier(table)))
    result = app(*command.split())
    assert (result.code, f'"{table}"' in result.stderr) == (77, True)


def test_every_table_is_granted_but_events_can_only_be_added(stranger: Cli) -> None:
    printed = stranger.ok("db", "grants", "app", "--schema", "s", "--database-url", _POSTGRESQL)
    assert printed["role"] == "app"
    for table in ("alembic_version", *metadata.tables):
        done = [each for each in printed["statements"] if f'"s"."{table}"' in each]
        assert len(done) == 2, table
        if table == "events":
            assert done[0].startswith("GRANT SELECT, INSERT ON ")
            assert done[1].startswith("REVOKE UPDATE, DELETE, TRUNCATE ON ")


@pytest.mark.parametrize("role", ["", "public", "a\0b", "a\x1b[2Jb", "a\nb", "\udcff"])
def test_anything_but_the_name_of_one_role_is_refused(role: str, stranger: Cli) -> None:
    assert stranger.fails(2, "db", "grants", role, "--database-url", _POSTGRESQL)


def test_the_sql_is_printed_whatever_database_is_configured(stranger: Cli, home: Path) -> None:
    assert stranger.ok("db", "grants", "app")["role"] == "app"
    assert not (home / "data").exists()
