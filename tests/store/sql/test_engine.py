"""Databases are opened, and their errors are translated."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL, Engine, func, select, text, update

from catactl.domain.file import UploadPart
from catactl.errors import (
    BadConfiguration,
    Busy,
    CatactlError,
    Conflict,
    Forbidden,
    SchemaMismatch,
    Unreachable,
)
from catactl.handling.handler import Handler
from catactl.store import migrations, name_lookup
from catactl.store.event_log import lock
from catactl.store.sql import pipeline
from catactl.store.sql.engine import open_engine, reading, writing
from catactl.store.sql.errors import translated_errors
from catactl.store.sql.lock_timeout import lock_timeout_seconds
from catactl.store.sql.urls import parse_url
from catactl.store.tables import files, organizations
from tests.support import (
    BYTES_1,
    create_file,
    create_organization,
    event_types,
    libpq_url,
    opened,
    run,
    tampering,
    upload,
    usage,
)


def read(url: URL) -> None:
    with opened(url) as engine, reading(engine) as conn:
        conn.execute(select(organizations)).all()


def write(url: URL) -> None:
    with opened(url, lock_timeout_seconds=0) as engine:
        create_organization(Handler(engine))


def test_opening_does_not_connect() -> None:
    engine = open_engine(parse_url("postgresql://ada@127.0.0.1:1/db"), lock_timeout_seconds=2.5)
    assert lock_timeout_seconds(engine) == 2.5
    engine.dispose()


def test_a_signal_during_a_query_is_raised_as_it_is(sqlite_url: URL) -> None:
    def interrupted(engine: Engine) -> None:
        with reading(engine) as conn:
            conn.invalidate()  # as SQLAlchemy does if a query raises an interrupt
            raise KeyboardInterrupt

    with opened(sqlite_url) as engine:
        migrations.upgrade(engine)
        with pytest.raises(KeyboardInterrupt):
            interrupted(engine)


# --- errors ---------------------------------------------------------------------------------------


def test_a_server_that_does_not_respond_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="cannot reach the database") as raised:
        read(parse_url("postgresql://ada:s3cret@127.0.0.1:1/db"))
    assert raised.value.retryable


def test_the_error_names_the_server_and_the_reason() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1.*refused"):
        read(parse_url("postgresql://ada:s3cret@127.0.0.1:1/db"))


def test_a_missing_socket_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        read(parse_url(f"postgresql://ada:s3cret@/db?host={tmp_path}"))


def test_a_database_that_does_not_exist_is_bad_configuration(postgresql_url: URL) -> None:
    with pytest.raises(BadConfiguration, match="does not exist") as raised:
        read(postgresql_url.set(database="nosuch"))
    assert type(raised.value) is BadConfiguration


def test_a_database_without_the_schema_is_a_schema_mismatch(
    empty_postgresql_url: URL, tmp_path: Path
) -> None:
    for url in (empty_postgresql_url, parse_url(f"sqlite:///{tmp_path}/new.db")):
        with pytest.raises(SchemaMismatch, match="does not have catactl's schema") as raised:
            read(url)
        assert raised.value.hint == "catactl db upgrade"
    with pytest.raises(SchemaMismatch, match="the database is empty") as raised:
        write(empty_postgresql_url)
    assert raised.value.hint == "catactl db upgrade"


def test_a_write_creates_a_sqlite_database(tmp_path: Path) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/new.db")
    write(url)
    with opened(url) as engine, reading(engine) as conn:
        assert len(name_lookup.all_logs(conn)) == 1


def test_a_role_without_privileges_is_forbidden(postgresql_url: URL) -> None:
    role = f"nobody_{postgresql_url.database}"[:60]
    with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as conn:
        conn.execute(f'CREATE ROLE "{role}"'.encode())
        try:
            with pytest.raises(Forbidden, match="refuses"):
                _read_as(postgresql_url, role)
        finally:
            conn.execute(f'DROP ROLE "{role}"'.encode())


def _read_as(url: URL, role: str) -> None:
    with opened(url) as engine, writing(engine) as conn:
        conn.execute(text(f'SET LOCAL ROLE "{role}"'))
        conn.execute(select(organizations)).all()


def test_a_file_that_is_not_a_database_is_a_schema_mismatch(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 200)
    for attempt in (read, write):
        with pytest.raises(SchemaMismatch, match="not a usable SQLite database"):
            attempt(parse_url(f"sqlite:///{path}"))


@pytest.mark.parametrize("place", ["", "/nosuch/folder/x.db"], ids=["a folder", "no folder"])
def test_a_file_that_cannot_be_opened_is_forbidden(tmp_path: Path, place: str) -> None:
    with pytest.raises(Forbidden, match="cannot be opened"):
        read(parse_url(f"sqlite:///{tmp_path}{place}"))


@pytest.mark.parametrize(
    "read_only",
    [
        "sqlite:///{}?mode=ro",
        "sqlite:///{}?mode=ro&immutable=1",
        "sqlite:///{}?immutable=1",
        "sqlite:///file:{}?mode=ro&uri=true",
        "sqlite:///file://{}?mode=ro",
    ],
)
def test_a_sqlite_file_opened_read_only_can_be_read_but_writing_is_forbidden(
    sqlite_url: URL, read_only: str
) -> None:
    url = parse_url(read_only.format(sqlite_url.database))
    read(url)
    with pytest.raises(Forbidden, match="read-only") as raised:
        write(url)
    assert not raised.value.retryable


def test_opening_a_sqlite_file_read_only_leaves_its_journal_mode(sqlite_url: URL) -> None:
    with closing(sqlite3.connect(str(sqlite_url.database))) as conn:
        conn.execute("PRAGMA journal_mode = DELETE")
    read(parse_url(f"{sqlite_url}?mode=ro"))
    with closing(sqlite3.connect(str(sqlite_url.database))) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_an_immutable_file_with_commits_in_its_log_is_bad_configuration(
    sqlite_url: URL,
) -> None:
    with opened(sqlite_url) as engine:
        create_organization(Handler(engine))
        with pytest.raises(BadConfiguration, match="leave out the commits"):
            read(parse_url(f"{sqlite_url}?immutable=1"))
    read(parse_url(f"{sqlite_url}?immutable=1"))


@pytest.mark.parametrize("mode", ["ro", "rw"])
def test_a_missing_file_is_created_only_if_the_url_allows_it(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "missing.db"
    refused = pytest.raises(BadConfiguration, match="does not exist")
    with opened(parse_url(f"sqlite:///{path}?mode={mode}")) as engine, refused:
        migrations.ensure(engine)
    assert not path.exists()
    with opened(parse_url(f"sqlite:///{path}?mode=rwc")) as engine:
        migrations.ensure(engine)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_locked_sqlite_is_busy_at_once_with_a_lock_timeout_of_0(sqlite_url: URL) -> None:
    refused = pytest.raises(Busy, match="locked by another process")
    with opened(sqlite_url) as other, writing(other), refused as raised:
        write(sqlite_url)
    assert raised.value.retryable
    write(sqlite_url)


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_a_locked_organization_is_busy_once_the_lock_timeout_is_over(
    postgresql_url: URL, seconds: float
) -> None:
    with opened(postgresql_url) as other, opened(postgresql_url, seconds) as mine:
        org_id = create_organization(Handler(other))
        with writing(other) as conn:
            lock(conn, org_id)
            with pytest.raises(Busy, match="another command holds the lock") as raised:
                create_file(Handler(mine), org_id)
        assert raised.value.retryable
        create_file(Handler(mine), org_id)


@pytest.mark.parametrize("uses", range(5))
def test_a_connection_can_be_used_after_a_lock_timeout(postgresql_url: URL, uses: int) -> None:
    """A connection prepares a statement at its third use."""
    with opened(postgresql_url) as other, opened(postgresql_url, 0.05) as mine:
        org_id = create_organization(Handler(other))
        file_id = create_file(Handler(other), org_id)
        handler = Handler(mine)
        for number in range(1, uses + 1):
            upload(handler, org_id, file_id, number, 1)
        with writing(other) as conn:
            lock(conn, org_id)
            with pytest.raises(Busy):
                upload(handler, org_id, file_id, 99, 1)
        for number in range(100, 104):
            upload(handler, org_id, file_id, number, 1)
        assert usage(mine, org_id).part_count == uses + 4


@pytest.mark.parametrize("behind_a_pooler", [False, True])
def test_statements_are_prepared_unless_another_process_runs_them(
    postgresql_url: URL, monkeypatch: pytest.MonkeyPatch, behind_a_pooler: bool
) -> None:
    if behind_a_pooler:
        query = pipeline._SELECT_PROCESS
        other = select(func.pg_backend_pid() + 1)
        monkeypatch.setattr(pipeline, "_SELECT_PROCESS", query._replace(statement=other))
    with opened(postgresql_url) as engine:
        handler = Handler(engine)
        org_id = create_organization(handler)
        file_id = create_file(handler, org_id)
        for number in range(1, 9):
            upload(handler, org_id, file_id, number, 1)
        with engine.connect() as conn:
            count = conn.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
        assert (count > 0) is not behind_a_pooler


@pytest.mark.parametrize("uses", range(5))
def test_a_connection_can_be_used_after_a_refused_write(postgresql_url: URL, uses: int) -> None:
    with opened(postgresql_url) as mine:
        handler = Handler(mine)
        org_id = create_organization(handler)
        file_id = create_file(handler, org_id)
        for number in range(1, uses + 1):
            upload(handler, org_id, file_id, number, 1)
        with tampering(postgresql_url) as conn:
            conn.execute(text("UPDATE organizations SET version = version - 1"))
        for number in range(100, 104):
            upload(handler, org_id, file_id, number, 1)
        assert usage(mine, org_id).part_count == uses + 4


def test_a_connection_that_broke_between_two_commands_is_replaced(postgresql_url: URL) -> None:
    with opened(postgresql_url) as mine:
        handler = Handler(mine)
        org_id = create_organization(handler)
        for name in ("written", "read"):
            with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            if name == "written":
                create_file(handler, org_id, name)
            else:
                with reading(mine) as reader:
                    assert reader.execute(select(files.c.name)).scalar() == "written"


def test_an_unexpected_constraint_violation_is_a_conflict(engine: Engine) -> None:
    with pytest.raises(Conflict, match="refuses a row"), writing(engine) as conn:
        conn.execute(text("INSERT INTO storage_usage (org_id) VALUES (NULL)"))


def test_errors_of_other_code_are_not_translated() -> None:
    with pytest.raises(ZeroDivisionError), translated_errors():
        _ = 1 / 0


_WRONG: list[Callable[[str], URL]] = [
    lambda secret: parse_url(f"postgresql://ada:{secret}@127.0.0.1:1/db"),
    lambda secret: parse_url(f"postgresql://ada:{secret}@/db?host=/nosuch"),
    lambda secret: parse_url(f"postgresql://ada:{secret}@nosuch.invalid/db"),
    lambda secret: parse_url(f"postgresql://ada:{secret}@127.0.0.1:99999/db"),
]


@pytest.mark.parametrize("url", _WRONG)
def test_no_message_contains_a_password(url: Callable[[str], URL]) -> None:
    with pytest.raises(CatactlError) as raised:
        read(url("s3cret"))
    assert "s3cret" not in f"{raised.value.message} {raised.value.hint} {raised.value}"


def test_no_message_contains_a_refused_password(postgresql_url: URL) -> None:
    with pytest.raises(CatactlError) as raised:
        read(postgresql_url.set(username="nosuch", password="s3cret"))
    assert "s3cret" not in f"{raised.value.message} {raised.value.hint} {raised.value}"


def test_an_unknown_user_is_forbidden(postgresql_url: URL) -> None:
    with pytest.raises(Forbidden):
        read(postgresql_url.set(username="nosuch"))


# --- transactions ---------------------------------------------------------------------------------


def test_writing_rolls_back_unless_the_block_commits(engine: Engine) -> None:
    org_id = create_organization(Handler(engine))
    with writing(engine) as conn:
        conn.execute(update(organizations).values(used_bytes=7))
    assert usage(engine, org_id).used_bytes == 0
    with writing(engine) as conn:
        conn.execute(update(organizations).values(used_bytes=7))
        conn.commit()
    assert usage(engine, org_id).used_bytes == 7


def test_reading_sees_one_snapshot(engine: Engine, database_url: URL) -> None:
    org_id = create_organization(Handler(engine))
    query = select(organizations.c.used_bytes).where(organizations.c.org_id == org_id)
    with reading(engine) as conn:
        assert conn.execute(query).scalar() == 0
        with tampering(database_url) as other:
            other.execute(update(organizations).values(used_bytes=7))
        assert conn.execute(query).scalar() == 0
    assert usage(engine, org_id).used_bytes == 7


def test_reading_cannot_write(engine: Engine) -> None:
    create_organization(Handler(engine))
    with pytest.raises(Forbidden), reading(engine) as conn:
        conn.execute(update(organizations).values(used_bytes=7))


def test_a_connection_can_write_after_reading(engine: Engine) -> None:
    handler = Handler(engine)
    org_id = create_organization(handler)
    for _ in range(3):
        usage(engine, org_id)
        create_file(handler, org_id, f"file-{_}")
    assert usage(engine, org_id).file_count == 3


def test_reading_does_not_wait_for_a_writer(engine: Engine, database_url: URL) -> None:
    org_id = create_organization(Handler(engine))
    with opened(database_url, lock_timeout_seconds=0) as other, writing(engine) as conn:
        lock(conn, org_id)
        conn.execute(update(organizations).values(used_bytes=7))
        assert usage(other, org_id).used_bytes == 0


def test_sqlite_writes_begin_immediately_and_sync_fully(sqlite_engine: Engine) -> None:
    with writing(sqlite_engine) as conn:
        pragmas = [
            conn.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
        assert pragmas == ["wal", 2, 1, 30_000]
        other = sqlite3.connect(str(sqlite_engine.url.database), timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


def test_a_statement_that_the_server_canceled_is_busy(postgresql_engine: Engine) -> None:
    with reading(postgresql_engine) as conn:
        conn.execute(text("SET LOCAL statement_timeout = 20"))
        with pytest.raises(Busy, match="statement timeout"), translated_errors():
            conn.execute(text("SELECT pg_sleep(5)"))


def test_postgresql_uses_the_right_isolation_levels(postgresql_engine: Engine) -> None:
    with writing(postgresql_engine) as conn:
        assert conn.execute(text("SHOW transaction_isolation")).scalar() == "read committed"
        assert conn.execute(text("SHOW transaction_read_only")).scalar() == "off"
    with reading(postgresql_engine) as conn:
        assert conn.execute(text("SHOW transaction_isolation")).scalar() == "repeatable read"
        assert conn.execute(text("SHOW transaction_read_only")).scalar() == "on"


def test_the_lock_timeout_reaches_postgresql_and_is_never_infinite(postgresql_url: URL) -> None:
    for seconds, shown in ((0.0, "1ms"), (2.0, "2s")):
        with opened(postgresql_url, seconds) as engine:
            org_id = create_organization(Handler(engine), f"acme-{seconds}")
            with writing(engine) as conn:
                lock(conn, org_id)
                assert conn.execute(text("SHOW lock_timeout")).scalar() == shown


def test_both_databases_give_the_same_events(engine: Engine) -> None:
    handler = Handler(engine)
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    outcome = run(handler, org_id, file_id, UploadPart(1, 10, BYTES_1))
    assert event_types(outcome) == ["file.part_uploaded", "organization.storage_usage_changed"]
