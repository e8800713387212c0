"""Open PostgreSQL databases with the settings that catactl needs. If the server refuses a
connection, find the reason.
"""

import os
import re
import select
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Dumper
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, Connection, Dialect, Engine, create_engine, event

from catactl.store.sql.errors import connecting_error

# With these the client notices a dead server within a minute, even while it sends nothing. The
# units are libpq's: seconds, but milliseconds for tcp_user_timeout.
_DEFAULTS: Mapping[str, int | str] = {
    "application_name": "catactl",
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 5,
    "tcp_user_timeout": 40_000,
}
_VARIABLES = {"application_name": "PGAPPNAME", "connect_timeout": "PGCONNECT_TIMEOUT"}
_DIAGNOSIS_SECONDS = 5.0
# Matches the code of a server error in libpq's trace.
_TRACED_ERROR = re.compile(rb'\tErrorResponse\t.*? C "([0-9A-Z]{5})"')


def open_postgresql(url: URL) -> Engine:
    """Return an engine with one connection."""
    engine = create_engine(
        url,
        connect_args=_connection_arguments(url),
        json_serializer=_json_as_text,
        json_deserializer=_json_as_text,
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,  # `writing` and `reading` end every transaction themselves
    )

    @event.listens_for(engine, "do_connect")
    def connect(
        dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]
    ) -> psycopg.Connection[Any]:
        return _connect(dialect, arguments, parameters)

    return engine


def _json_as_text(document: str | bytes) -> str:
    """Return a document unchanged, because only the codec reads and writes JSON."""
    return document.decode() if isinstance(document, bytes) else document


def _connection_arguments(url: URL) -> dict[str, Any]:
    """Return the driver arguments that the URL and the environment do not set."""
    is_service = "service" in url.query or "PGSERVICE" in os.environ  # its file may set them
    given = {
        name for name in _DEFAULTS if name in url.query or _VARIABLES.get(name, "") in os.environ
    }
    arguments: dict[str, Any] = {
        name: value
        for name, value in _DEFAULTS.items()
        if name not in given and not (is_service and name in _VARIABLES)
    }
    # Disabled, because `pipeline` prepares statements itself, and psycopg would deallocate them.
    arguments["prepare_threshold"] = None
    arguments["client_encoding"] = "UTF8"
    return arguments


def _connect(
    dialect: Dialect, arguments: Sequence[Any], parameters: Mapping[str, Any]
) -> psycopg.Connection[Any]:
    """Return a connection of the driver. Raise a `CatactlError` with the reason if that fails."""
    try:
        conn: Any = dialect.connect(*arguments, **parameters)
    except psycopg.Error as error:
        sqlstate = _sqlstate(parameters, error)
        is_accepted = sqlstate is not None or _accepts(_options(parameters))
        raise connecting_error(error, sqlstate, is_accepted=is_accepted) from error
    conn.adapters.register_dumper(bytes, _HexDumper)
    return conn  # type: ignore[no-any-return]


def server_encoding(conn: Connection) -> str | None:
    """Return the encoding in which the database stores text."""
    driver: Any = conn.connection.driver_connection
    encoding: str | None = driver.info.parameter_status("server_encoding")
    return encoding


class _HexDumper(Dumper):
    """Sends bytes as hexadecimal text, which does not depend on a setting. psycopg's own text form
    depends on standard_conforming_strings.
    """

    oid = psycopg.adapters.types["bytea"].oid

    def dump(self, obj: bytes) -> bytes:
        return b"\\x" + obj.hex().encode()


def _sqlstate(parameters: Mapping[str, Any], error: psycopg.Error) -> str | None:
    """Return the code with which the server refused a connection; None without a response.

    libpq reports only a message, in the server's language. But its trace contains the code, so
    connect once more with a trace.
    """
    if error.sqlstate is not None or not isinstance(error, psycopg.OperationalError):
        return error.sqlstate
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return None
    import tempfile  # here, because loading it takes time

    with tempfile.TemporaryFile() as trace:
        conninfo = make_conninfo("", **_options(parameters)).encode()
        _connect_traced(conninfo, trace.fileno())
        trace.seek(0)
        codes = _TRACED_ERROR.findall(trace.read())
    return codes[-1].decode() if codes else None


def _options(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that libpq knows."""
    names = {keyword.keyword.decode() for keyword in pq.Conninfo.get_defaults()}
    return {name: value for name, value in parameters.items() if name in names}


def _accepts(options: Mapping[str, Any]) -> bool:
    """Return whether libpq accepts the options, and the variables and files that complete them.

    libpq checks all options before it connects. So try to connect it to a local socket: it refuses
    only because of an option.
    """
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            local = {"host": "127.0.0.1", "hostaddr": "", "port": str(server.getsockname()[1])}
            conn = pq.PGconn.connect_start(make_conninfo("", **{**options, **local}).encode())
            is_accepted = conn.status != pq.ConnStatus.BAD
            conn.finish()
            return is_accepted
    except (OSError, psycopg.Error):  # psycopg refuses some options itself, with its own error
        return True


def _connect_traced(conninfo: bytes, trace: int) -> None:
    """Try to connect, and write libpq's trace to a file descriptor."""
    give_up_at = time.monotonic() + _DIAGNOSIS_SECONDS
    conn = pq.PGconn.connect_start(conninfo)
    if conn.status == pq.ConnStatus.BAD:
        return
    conn.trace(trace)
    try:
        status = conn.connect_poll()
        while status in {pq.PollingStatus.READING, pq.PollingStatus.WRITING}:
            is_reading = status == pq.PollingStatus.READING
            sockets = [conn.socket]
            select.select(
                sockets if is_reading else [],
                [] if is_reading else sockets,
                [],
                max(0.0, give_up_at - time.monotonic()),
            )
            if time.monotonic() > give_up_at:
                return
            status = conn.connect_poll()
    finally:
        conn.untrace()
        conn.finish()
