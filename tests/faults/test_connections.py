"""A connection to PostgreSQL may end while a command is not using it, or while it reads."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from tests.cli.support import Cli
from tests.support import ROOT, libpq_url, server_address

_PATIENCE_SECONDS = 60
_CATACTL = [sys.executable, "-m", "catactl"]
_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture
def cli_on_postgresql(
    home: Path, blob_folder: Path, postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(postgresql_url))
    monkeypatch.setenv("CATACTL_BLOB_URL", blob_folder.as_uri())
    cli = Cli()
    cli.ok("org", "create", "acme")
    return cli


def _wait(until: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while not until():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)


def test_a_session_that_ends_while_standard_input_pauses_is_replaced(
    cli_on_postgresql: Cli, postgresql_url: URL
) -> None:
    command = [*_CATACTL, "file", "upload", "acme", "-", "--name", "f", "--part-size", "1KiB"]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT) as upload,
        psycopg.connect(libpq_url(postgresql_url), autocommit=True) as administrator,
    ):
        assert upload.stdin is not None
        upload.stdin.write(b"x" * 1_500)
        upload.stdin.flush()
        _wait(lambda: cli_on_postgresql("part", "list", "acme", "f", "--json").code == 0)
        _wait(lambda: cli_on_postgresql.ok("part", "list", "acme", "f") != [])

        def ends_idle_sessions() -> bool:
            query = f"SELECT pg_terminate_backend(pid) {_OTHERS} AND state = 'idle'"
            return administrator.execute(query).fetchone() is not None

        _wait(ends_idle_sessions)
        upload.stdin.write(b"x" * 1_500)
        upload.stdin.close()
        assert upload.wait(_PATIENCE_SECONDS) == 0
    assert cli_on_postgresql.ok("file", "show", "acme", "f")["size_bytes"] == 3_000


def test_a_reader_that_pauses_too_long_for_the_server_is_not_a_bug(
    cli_on_postgresql: Cli, postgresql_url: URL, tmp_path: Path
) -> None:
    lines = [
        {"command": "file.create", "org": "acme", "name": f"{n:05}" + "x" * 200}
        for n in range(3_000)
    ]
    path = tmp_path / "lines"
    path.write_text("\n".join(map(json.dumps, lines)))
    assert cli_on_postgresql("apply", "--from", path, "-q").code == 0
    with psycopg.connect(libpq_url(postgresql_url), autocommit=True) as administrator:
        name = psycopg.sql.Identifier(str(postgresql_url.database))
        timeout = "ALTER DATABASE {} SET idle_in_transaction_session_timeout = '100ms'"
        administrator.execute(psycopg.sql.SQL(timeout).format(name))
        command = [*_CATACTL, "event", "list", "acme", "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as listing:  # type: ignore[call-overload]

            def sessions() -> int:
                row = administrator.execute(f"SELECT count(*) {_OTHERS}").fetchone()
                assert row is not None
                return int(row[0])

            _wait(lambda: listing.stdout.peek(1) != b"")
            _wait(lambda: sessions() == 0)
            printed, error = listing.communicate(timeout=_PATIENCE_SECONDS)
    assert listing.returncode in {0, 69, 75}, error
    if listing.returncode == 0:
        assert len(json.loads(printed)) == 2 * len(lines) + 1


def test_the_first_host_that_responds_is_used(
    cli_on_postgresql: Cli, postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port = server_address(postgresql_url)
    url = postgresql_url.set(
        host="", port=None, query={"host": f"/nowhere,{host}", "port": f"{port},{port}"}
    )
    monkeypatch.setenv("CATACTL_DATABASE_URL", libpq_url(url))
    assert cli_on_postgresql.ok("org", "list")[0]["name"] == "acme"
