"""Read database URLs, and find the SQLite file that a URL names.

A SQLite URL with parameters becomes an SQLite URI (`file:///path` and `uri=true`), so that SQLite
itself applies the parameters (https://sqlite.org/uri.html).
"""

import os
import re
from collections.abc import Collection
from difflib import get_close_matches
from urllib.parse import quote, unquote, urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from catactl.errors import BadConfiguration, Forbidden

_SQLITE_PARAMETERS = frozenset({"mode", "immutable", "cache", "vfs", "nolock", "psow", "uri"})
_SQLITE_MODES = ("ro", "rw", "rwc", "memory")
_IN_MEMORY = frozenset({"", ":memory:"})
_SEVERAL_HOSTS = re.compile(
    r"(?P<scheme>postgres[\w+]*://)(?P<user>[^/?#@]*@)?(?P<hosts>[^/?#@]*,[^/?#@]*)(?P<rest>(?:[/?#].*)?)"
)
_HOST = re.compile(r"(?P<host>[^\[\]:]+|\[[^\[\]]+\])(?::(?P<port>[0-9]*))?", re.ASCII)
_TRUE = frozenset({"1", "true", "yes", "on"})


def parse_url(text: str) -> URL:
    """Return the URL with the driver that catactl uses; raise `BadConfiguration` if it is invalid.

    `postgres://` and `postgresql://` both mean psycopg 3. Errors do not repeat the text, because it
    may hold a password.
    """
    try:
        hosts = _SEVERAL_HOSTS.fullmatch(text)
        url = _postgresql_with_hosts(hosts) if hosts is not None else make_url(text)
        backend = "postgresql" if url.drivername == "postgres" else url.get_backend_name()
        if backend == "postgresql":
            _check_ports(url)
    except (ArgumentError, ValueError, NoSuchModuleError):
        raise BadConfiguration(
            "the database URL is invalid",
            "for example sqlite:////var/lib/catactl.db or postgresql://user@host/database",
        ) from None
    if backend == "postgresql":
        if "@" in (url.host or "") or text.partition("?")[0].count("@") > 1:
            # Refuse it, because SQLAlchemy would take the rest of the password for the host, and
            # errors print the host.
            raise BadConfiguration(
                "the database URL has more than one @", "in a password write @ as %40"
            )
        if url.query:
            from psycopg import pq  # here, because SQLite does not need it

            _check_parameters(url, [each.keyword.decode() for each in pq.Conninfo.get_defaults()])
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return _sqlite_url(url, text)
    raise BadConfiguration(f"database {backend!r} is not supported", "use sqlite or postgresql")


def _postgresql_with_hosts(match: re.Match[str]) -> URL:
    """Return the URL of a PostgreSQL server with several hosts.

    libpq's `user@host1:port1,host2:port2` becomes SQLAlchemy's `user@/?host=host1,host2&port=…`.
    """
    hosts = [_HOST.fullmatch(each) for each in match["hosts"].split(",")]
    if None in hosts:
        raise ValueError("a host is invalid")
    hosts_and_ports = [(each["host"].strip("[]"), each["port"] or "5432") for each in hosts if each]
    url = make_url(f"{match['scheme']}{match['user'] or ''}{match['rest']}")
    names, ports = zip(*hosts_and_ports, strict=True)
    return url.update_query_dict({"host": ",".join(names), "port": ",".join(ports)})


def _check_ports(url: URL) -> None:
    """Raise `ValueError` for a port that cannot exist."""
    ports = [url.port, *str(url.query.get("port", "")).split(",")]
    for port in ports:
        if port not in (None, "") and not 0 < int(port) < 65_536:
            raise ValueError(f"port {port}")


def _sqlite_url(url: URL, text: str) -> URL:
    if url.host or url.username or url.port:
        raise BadConfiguration(
            "the database URL names a host, but SQLite has no server",
            "for example sqlite:///relative.db or sqlite:////var/lib/catactl.db",
        )
    if url.query:
        _check_parameters(url, _SQLITE_PARAMETERS)
    mode = url.query.get("mode", "rwc")
    if mode not in _SQLITE_MODES:
        raise BadConfiguration(
            f"the database URL has the unknown mode {mode!r}",
            f"use one of: {', '.join(_SQLITE_MODES)}",
        )
    # Decode the path again, because SQLAlchemy loses bytes that are not UTF-8.
    database = unquote(text.partition("://")[2][1:].partition("?")[0], errors="surrogateescape")
    if mode == "memory" or database in _IN_MEMORY:
        return URL.create("sqlite+pysqlite", database=":memory:")
    if not database.startswith("file:"):
        if not url.query:
            return URL.create("sqlite+pysqlite", database=database)
        database = "file://" + quote(os.fsencode(os.path.abspath(database)))
    return URL.create("sqlite+pysqlite", database=database, query={**url.query, "uri": "true"})


def _check_parameters(url: URL, known: Collection[str]) -> None:
    """Raise `BadConfiguration` for a parameter that would have no effect."""
    for name, value in url.query.items():
        if name not in known:
            close = get_close_matches(name, sorted(known), n=1)
            raise BadConfiguration(
                f"the database URL has the unknown parameter {name!r}",
                f"did you mean {close[0]!r}?" if close else "remove it",
            )
        if url.get_backend_name() == "sqlite" and not isinstance(value, str):
            raise BadConfiguration(f"the database URL gives the parameter {name!r} twice")


def file_of(url: URL) -> str | None:
    """Return the path of the SQLite file that a URL names, even if the file does not exist; None
    for a server or a database in memory.
    """
    database = url.database or ""
    if url.get_backend_name() != "sqlite" or database in _IN_MEMORY:
        return None
    if not database.startswith("file:"):
        return database
    path = unquote(urlsplit(database).path, errors="surrogateescape")
    return path if path not in _IN_MEMORY else None


def is_read_only(url: URL) -> bool:
    """Return whether a SQLite URL opens the database for reading only."""
    return url.query.get("mode") == "ro" or is_immutable(url)


def is_immutable(url: URL) -> bool:
    """Return whether a SQLite URL promises that no process writes to the database."""
    return str(url.query.get("immutable", "")).lower() in _TRUE


def may_create(url: URL) -> bool:
    """Return whether a SQLite URL allows SQLite to create a missing file."""
    return url.query.get("mode", "rwc") == "rwc" and not is_immutable(url)


def is_missing_file(url: URL) -> bool:
    """Return whether the URL names a SQLite file that does not exist or is empty."""
    path = file_of(url)
    if path is None:
        return False
    try:
        return os.stat(path).st_size == 0
    except FileNotFoundError:
        return True
    except OSError as error:
        raise Forbidden(f"cannot open {path}: {error.strerror}") from error


def is_known_file(url: URL) -> bool:
    """Return whether the URL names a SQLite file in WAL mode.

    `open_engine` leaves each file in WAL mode, so opening such a file changes nothing. Bytes 18 and
    19 of the file hold the mode (https://sqlite.org/fileformat.html).
    """
    try:
        with open(file_of(url) or "", "rb") as file:
            return file.read(20)[18:] == b"\x02\x02"
    except OSError:
        return False
