"""Database URLs are parsed, and the files that they name are found."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from catactl.config.paths import sqlite_url
from catactl.errors import BadConfiguration
from catactl.store.sql.urls import file_of, is_missing_file, parse_url
from tests.support import opened


@pytest.mark.parametrize(
    ("given", "driver"),
    [
        ("postgres://ada@host/db", "postgresql+psycopg"),
        ("postgresql://ada@host/db", "postgresql+psycopg"),
        ("postgresql+psycopg2://ada@host/db", "postgresql+psycopg"),
        ("postgresql+psycopg://ada@host/db", "postgresql+psycopg"),
        ("sqlite:////tmp/x.db", "sqlite+pysqlite"),
        ("sqlite+aiosqlite:////tmp/x.db", "sqlite+pysqlite"),
    ],
)
def test_a_url_gets_the_driver_that_catactl_uses(given: str, driver: str) -> None:
    url = parse_url(given)
    assert url.drivername == driver
    assert url.database == make_url(given).database


@pytest.mark.parametrize(
    ("given", "hosts", "ports"),
    [
        ("postgresql://ada:a,b@h1:5432,h2:5433/db", "h1,h2", "5432,5433"),
        ("postgres://h1,h2:1/db?connect_timeout=3", "h1,h2", "5432,1"),
        ("postgresql://[::1]:5,[::2]/db", "::1,::2", "5,5432"),
        ("postgresql:///db?host=h1:1&host=h2:2", "h1,h2", "1,2"),
    ],
)
def test_a_url_may_name_several_hosts(given: str, hosts: str, ports: str) -> None:
    url = parse_url(given)
    _, arguments = url.get_dialect()().create_connect_args(url)
    assert (arguments["host"], arguments["port"], arguments["dbname"]) == (hosts, ports, "db")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mysql://ada:s3cret@host/db", "'mysql' is not supported"),
        ("nosuch://ada:s3cret@host/db", "'nosuch' is not supported"),
        ("nosuch+driver://ada:s3cret@host/db", "'nosuch' is not supported"),
        ("", "is invalid"),
        ("ada:s3cret", "is invalid"),
        ("postgresql://ada:s3cret@host:port/db", "is invalid"),
        ("postgresql://ada:s3cret@host:99999/db", "is invalid"),
        ("postgresql://ada:s3cret@h1,h2:99999/db", "is invalid"),
        ("postgresql://ada:s3cret@/db?host=h1&port=0", "is invalid"),
    ],
)
def test_the_error_for_an_invalid_url_does_not_repeat_it(given: str, message: str) -> None:
    with pytest.raises(BadConfiguration, match=message) as raised:
        parse_url(given)
    assert raised.value.hint is not None
    assert "s3cret" not in raised.value.message + raised.value.hint
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("postgresql://host/db?nosuch=1", "nosuch"),
        ("postgresql://host/db?sslmod=require", "'sslmode'"),
        ("postgresql://host/db?autocommit=true", "autocommit"),
        ("sqlite:///x.db?nosuch=1", "nosuch"),
        ("sqlite:///x.db?mod=ro", "'mode'"),
        ("sqlite:///x.db?timeout=5", "timeout"),
        ("sqlite:///file:x.db?nosuch=1&uri=true", "nosuch"),
        ("sqlite:///x.db?mode=ro&mode=rw", "'mode' twice"),
        ("sqlite:///x.db?mode=readonly", "'readonly'"),
    ],
)
def test_a_parameter_that_would_have_no_effect_is_bad_configuration(given: str, named: str) -> None:
    with pytest.raises(BadConfiguration) as raised:
        parse_url(given)
    assert named in f"{raised.value.message} {raised.value.hint}"


@pytest.mark.parametrize(
    "given", ["sqlite://x.db", "sqlite://ada@/x.db", "sqlite://host/x.db", "sqlite://:1/x.db"]
)
def test_a_sqlite_url_with_a_host_is_refused(given: str) -> None:
    with pytest.raises(BadConfiguration, match="names a host"):
        parse_url(given)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("sqlite:////tmp/x.db", "/tmp/x.db"),
        ("sqlite:///x.db", "x.db"),
        ("sqlite:////tmp/a%20b%3Fc%25.db", "/tmp/a b?c%.db"),
        ("sqlite:////tmp/a%FFb.db", "/tmp/a\udcffb.db"),
        ("sqlite:////tmp/a#b.db", "/tmp/a#b.db"),
        ("sqlite:////tmp/x.db?mode=ro", "/tmp/x.db"),
        ("sqlite:////tmp/a%3Fb%23.db?mode=ro", "/tmp/a?b#.db"),
        ("sqlite:////tmp/a%FFb.db?mode=rw", "/tmp/a\udcffb.db"),
        ("sqlite://///tmp/x.db?mode=ro", "//tmp/x.db"),
        ("sqlite:///file:/tmp/x.db?mode=ro&uri=true", "/tmp/x.db"),
        ("sqlite:///file:///tmp/a%2520b.db?uri=true", "/tmp/a b.db"),
        ("sqlite:///file:x.db?uri=true", "x.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///x.db?mode=memory", None),
        ("sqlite:///file::memory:?uri=true", None),
        ("postgresql://host/db", None),
    ],
)
def test_the_file_that_a_url_names_is_found(given: str, path: str | None) -> None:
    assert file_of(parse_url(given)) == path


@pytest.mark.parametrize(
    "name",
    [
        *("plain", "a b", "a?b", "a?mode=ro", "a%b", "a%20b", "a#b", "a&b=c", "a:b@c", "ä"),
        *("a\nb", os.fsdecode(b"a\xffb"), "file:a", "a'b\"c"),
    ],
)
@pytest.mark.parametrize("mode", ["", "?mode=rwc"])
def test_a_path_is_the_same_after_it_was_a_url(tmp_path: Path, name: str, mode: str) -> None:
    path = tmp_path / name
    text = sqlite_url(path)
    assert text.isprintable()
    with opened(parse_url(text + mode)) as engine, engine.connect() as conn:
        conn.exec_driver_sql("CREATE TABLE here (it INTEGER)")
        conn.commit()
    with closing(sqlite3.connect(os.fspath(path))) as other:
        assert other.execute("SELECT count(*) FROM here").fetchone() == (0,)
    assert [each for each in os.listdir(tmp_path) if each != name] == []


@pytest.mark.parametrize(
    ("database", "missing"),
    [("absent.db", True), ("empty.db", True), ("full.db", False), (":memory:", False)],
)
def test_a_missing_or_empty_file_is_distinguished_from_one_with_content(
    tmp_path: Path, database: str, missing: bool
) -> None:
    (tmp_path / "empty.db").touch()
    (tmp_path / "full.db").write_bytes(b"x")
    path = database if database == ":memory:" else str(tmp_path / database)
    assert is_missing_file(URL.create("sqlite", database=path)) is missing
    assert not is_missing_file(parse_url("postgresql://host/db"))
