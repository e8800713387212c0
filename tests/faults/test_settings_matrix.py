"""Settings of the server, the database, the role and the environment do not change what catactl
stores or prints.

A test compares the output under the setting with the output without it.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL

from tests.cli.pooler import CONNECTIONS, pooled
from tests.cli.support import Cli
from tests.cli.tour import read_all, take_tour, write_what_is_hard_to_send
from tests.support import libpq_url

# Each setting is in one of these combinations, so that one database tests many of them.
_SETTINGS = {
    "values in one form": {
        "DateStyle": "German",
        "IntervalStyle": "sql_standard",
        "TimeZone": "Asia/Kathmandu",
        "timezone_abbreviations": "India",
        "bytea_output": "escape",
        "extra_float_digits": "-15",
        "client_encoding": "LATIN1",
        "lc_messages": "C",
        "lc_monetary": "C",
        "lc_numeric": "C",
        "lc_time": "C",
        "xmlbinary": "hex",
        "xmloption": "document",
    },
    "values in another form": {
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "iso_8601",
        "TimeZone": "+14",
        "client_encoding": "SQL_ASCII",
    },
    "values in a third form": {
        "DateStyle": "Postgres, YMD",
        "TimeZone": "<odd>-03:17",
        "client_encoding": "EUC_JP",
    },
    "syntax": {
        "standard_conforming_strings": "off",
        "backslash_quote": "off",
        "escape_string_warning": "off",
        "array_nulls": "off",
        "transform_null_equals": "on",
        "quote_all_identifiers": "on",
        "search_path": "nowhere, public, pg_catalog",
    },
    "serializable": {
        "default_transaction_isolation": "serializable",
        "default_transaction_deferrable": "on",
        "row_security": "off",
        "session_replication_role": "replica",
        "exit_on_error": "on",
        "statement_timeout": "1min",
        "idle_session_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
    },
    "repeatable read": {
        "default_transaction_isolation": "repeatable read",
        "session_replication_role": "local",
        "synchronous_commit": "on",
        "lock_timeout": "1ms",
        "plan_cache_mode": "force_generic_plan",
        "default_toast_compression": "pglz",
        "jit": "off",
        "geqo": "on",
    },
    "read uncommitted": {
        "default_transaction_isolation": "read uncommitted",
        "plan_cache_mode": "force_custom_plan",
        "client_min_messages": "debug5",
        "track_activities": "off",
    },
    "read only": {"default_transaction_read_only": "on"},
    "plans": {
        "jit_above_cost": "0",
        "geqo": "off",
        "work_mem": "64kB",
        "enable_seqscan": "off",
        "enable_indexscan": "off",
        "enable_indexonlyscan": "off",
        "enable_bitmapscan": "off",
        "enable_hashagg": "off",
        "enable_hashjoin": "off",
        "enable_mergejoin": "off",
        "enable_nestloop": "off",
        "enable_sort": "off",
        "enable_material": "off",
        "from_collapse_limit": "1",
        "cursor_tuple_fraction": "0",
        "constraint_exclusion": "on",
        "parallel_setup_cost": "0",
    },
    "messages": {
        "log_statement": "all",
        "log_min_messages": "debug5",
        "log_duration": "on",
        "log_statement_stats": "on",
        "debug_print_plan": "on",
    },
}

_ENVIRONMENTS = {
    "names": {
        "PGDATESTYLE": "German",
        "PGTZ": "Asia/Kathmandu",
        "PGCLIENTENCODING": "LATIN1",
        "PGGEQO": "off",
        "PGAPPNAME": "ü 'x",
        "PGOPTIONS": "-c standard_conforming_strings=off -c client_min_messages=debug5",
    },
    "other names": {
        "PGDATESTYLE": "SQL, DMY",
        "PGTZ": "+14",
        "PGCLIENTENCODING": "SQL_ASCII",
        "PGOPTIONS": r"-c default_transaction_isolation=repeatable\ read",
    },
    "options": {
        "PGOPTIONS": "-c bytea_output=escape -c DateStyle=German -c TimeZone=+14"
        " -c client_encoding=LATIN1 -c search_path=nowhere,public"
        " -c default_transaction_read_only=on",
    },
}

# The most harmful of the above that can be combined.
_HOSTILE = {
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "bytea_output": "escape",
    "DateStyle": "German",
    "IntervalStyle": "iso_8601",
    "TimeZone": "+14",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_generic_plan",
    "search_path": "nowhere, public",
}


class Database:
    """A database whose settings are changed from outside, as its administrator does."""

    def __init__(self, url: URL, administrator: psycopg.Connection) -> None:
        self.url = url
        self._administrator = administrator
        self._names = {
            "database": sql.Identifier(str(url.database)),
            "role": sql.Identifier(str(url.username)),
        }

    def set(self, name: str, value: str, *, for_role: bool = False) -> None:
        whose = "ROLE {role} IN DATABASE {database}" if for_role else "DATABASE {database}"
        # A list is given word by word.
        values = sql.SQL(", ").join(
            map(sql.Literal, value.split(", ") if name == "search_path" else [value])
        )
        statement = sql.SQL(f"ALTER {whose} SET {{name}} TO {{values}}")
        parts = {**self._names, "name": sql.Identifier(name), "values": values}
        self._administrator.execute(statement.format(**parts))

    def reset(self) -> None:
        for whose in ("DATABASE {database}", "ROLE {role} IN DATABASE {database}"):
            statement = sql.SQL(f"ALTER {whose} RESET ALL")
            self._administrator.execute(statement.format(**self._names))

    def assert_stored_alike(self, since: datetime) -> None:
        """Check the bytes and the times in the tables themselves."""
        with psycopg.connect(libpq_url(self.url)) as conn:
            query = (
                "SELECT count(*), min(octet_length(hash)), max(octet_length(hash)),"
                " min(recorded_at), max(recorded_at) FROM events"
            )
            row = conn.execute(query).fetchone()
            assert row is not None
            count, shortest, longest, first, last = row
            assert count > 0
            assert shortest == longest == 32
            assert since <= first <= last <= datetime.now(UTC)


@pytest.fixture
def database(
    home: Path,
    blob_folder: Path,
    postgresql_server: URL,
    empty_or_new_postgresql_url: URL,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Database]:
    url = empty_or_new_postgresql_url
    monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(url))
    monkeypatch.setenv("CATACTL_BLOB_URL", blob_folder.as_uri())
    with psycopg.connect(libpq_url(postgresql_server), autocommit=True) as administrator:
        database = Database(url, administrator)
        yield database
        database.reset()


def _write_and_read(database: Database, folder: Path) -> None:
    """Write and read under the current settings, and read again without the database's settings."""
    cli, since = Cli(), datetime.now(UTC)
    write_what_is_hard_to_send(cli, folder)
    read = read_all(cli)
    cli.ok("usage", "check")
    cli.ok("event", "verify")
    database.reset()
    assert read_all(cli) == read
    database.assert_stored_alike(since)


@pytest.mark.parametrize("settings", _SETTINGS.values(), ids=_SETTINGS)
def test_a_setting_of_the_database_changes_nothing(
    settings: dict[str, str], database: Database, tmp_path: Path
) -> None:
    for name, value in settings.items():
        with suppress(psycopg.errors.UndefinedObject):  # an older version does not have it
            database.set(name, value)
    _write_and_read(database, tmp_path)


@pytest.mark.parametrize("variables", _ENVIRONMENTS.values(), ids=_ENVIRONMENTS)
def test_a_variable_of_the_environment_changes_nothing(
    variables: dict[str, str], database: Database, tmp_path: Path
) -> None:
    cli, since = Cli(), datetime.now(UTC)
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(name, value)
        write_what_is_hard_to_send(cli, tmp_path)
        read = read_all(cli)
        cli.ok("usage", "check")
        cli.ok("event", "verify")
    assert read_all(cli) == read
    database.assert_stored_alike(since)


def test_every_command_works_under_the_worst_settings_of_a_role(
    database: Database, tmp_path: Path
) -> None:
    since = datetime.now(UTC)
    for name, value in _HOSTILE.items():
        database.set(name, value, for_role=True)
    take_tour(Cli(), tmp_path)
    database.reset()
    database.assert_stored_alike(since)
    Cli().ok("event", "verify")


@pytest.mark.pgbouncer
@pytest.mark.skipif(shutil.which("pgbouncer") is None, reason="pgbouncer is not installed")
def test_settings_of_another_client_of_a_pooler_change_nothing(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooled(database.url) as url:
        _spoil_all_sessions(url)
        monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(url))
        _write_and_read(database, tmp_path)


def _spoil_all_sessions(url: URL) -> None:
    """Change the settings of each session of the pooler, and keep them changed."""
    clients = [psycopg.connect(libpq_url(url)) for _ in range(CONNECTIONS)]
    for client in clients:
        for name, value in _HOSTILE.items():
            client.execute("SELECT set_config(%s, %s, false)", [name, value])
    for client in clients:
        client.commit()
        client.close()
