"""Each error of a driver becomes the right error of catactl."""

import sqlite3

import psycopg
import pytest

from catactl.cli.framework.exit_codes import BUG, exit_code
from catactl.errors import CatactlError
from catactl.store.sql.errors import connecting_error, translated_errors


def _codes(cls: type[psycopg.Error]) -> set[str]:
    own = {cls.sqlstate} if cls.sqlstate is not None else set()
    return own.union(*(_codes(each) for each in cls.__subclasses__()))


def _exit_code(error: Exception) -> int:
    with pytest.raises(CatactlError) as raised, translated_errors():
        raise error
    return exit_code(raised.value)


@pytest.mark.parametrize("sqlstate", [*sorted(_codes(psycopg.Error)), "99999"])
def test_no_sqlstate_is_a_bug(sqlstate: str) -> None:
    error = psycopg.Error("das ging nicht")
    error.sqlstate = sqlstate
    assert _exit_code(error) != BUG
    assert exit_code(connecting_error(error, sqlstate)) != BUG


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("25P03", 69),  # idle in transaction for too long
        ("57P05", 69),  # an idle session
        ("57P01", 69),
        ("08006", 69),
        ("58030", 69),
        ("53100", 69),
        ("XX000", 69),
        ("57014", 75),
        ("55P03", 75),
        ("40001", 75),
        ("53300", 75),
        ("57P03", 75),
        ("42501", 77),
        ("28P01", 77),
        ("25006", 77),
        ("P0001", 77),
        ("53400", 78),
        ("3D000", 78),
        ("42P01", 78),
        ("0A000", 78),
        ("22P02", 6),
        ("23514", 4),
    ],
)
def test_the_class_of_an_sqlstate_decides_the_exit_code(sqlstate: str, expected: int) -> None:
    error = psycopg.Error("das ging nicht")
    error.sqlstate = sqlstate
    assert _exit_code(error) == expected


@pytest.mark.parametrize("sqlstate", ["22023", "42704", "55P02", "58P01", "F0000"])
def test_a_setting_that_the_server_refuses_when_connecting_is_a_bad_configuration(
    sqlstate: str,
) -> None:
    assert exit_code(connecting_error(psycopg.OperationalError("nicht so"), sqlstate)) == 78


def test_a_role_that_may_not_connect_is_forbidden() -> None:
    assert exit_code(connecting_error(psycopg.OperationalError("nicht so"), "42501")) == 77


@pytest.mark.parametrize("error", [psycopg.OperationalError, psycopg.InterfaceError])
def test_a_broken_connection_is_retryable(error: type[psycopg.Error]) -> None:
    assert _exit_code(error("Verbindung verloren")) == 69


def _primary_codes() -> list[int]:
    codes = {getattr(sqlite3, name) for name in dir(sqlite3) if name.startswith("SQLITE_")}
    success = {sqlite3.SQLITE_OK, sqlite3.SQLITE_ROW, sqlite3.SQLITE_DONE, sqlite3.SQLITE_DENY}
    return sorted(code for code in codes - success if isinstance(code, int) and 0 < code < 100)


@pytest.mark.parametrize("code", _primary_codes())
def test_no_error_code_of_sqlite_is_a_bug(code: int) -> None:
    error = sqlite3.OperationalError("it did not work")
    error.sqlite_errorcode = code
    assert _exit_code(error) != BUG
