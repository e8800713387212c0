"""Check the schema of a database, and migrate it.

Import Alembic only to migrate or to explain a mismatch, because loading it takes long.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Select, column, inspect, select, table, text

import catactl
from catactl.errors import BadConfiguration, CorruptLog, Forbidden, SchemaMismatch
from catactl.store.sql.engine import reading, writing
from catactl.store.sql.statements import begin, fetch, pipelined
from catactl.store.sql.urls import file_of, is_missing_file, may_create
from catactl.store.tables import SCHEMA_REVISION, events, logs

if TYPE_CHECKING:
    from alembic.config import Config

_UPGRADE = "catactl db upgrade"
# The number of the lock that lets only one process migrate. It must never change.
_ADVISORY_LOCK = 0x63617461
_MAX_LISTED = 5
_IS_CHECKED = "catactl_schema_is_checked"
_REVISIONS: Select[Any] = select(column("version_num")).select_from(table("alembic_version"))


def ensure(engine: Engine) -> None:
    """Ensure that the schema has the revision that this version needs.

    Create and migrate a SQLite database. Raise `SchemaMismatch` for a PostgreSQL database with
    another revision.
    """
    _ensure(engine)
    engine.update_execution_options(**{_IS_CHECKED: True})


def _ensure(engine: Engine) -> None:
    sqlite = engine.dialect.name == "sqlite"
    if sqlite and is_missing_file(engine.url):
        upgrade(engine)
        return
    with reading(engine) as conn:
        revision = _read_revision(conn)
        if revision == SCHEMA_REVISION:
            return
        is_empty = revision is None and not inspect(conn).get_table_names()
        mismatch = _explain(conn, revision)
    # A process that was stopped while it created the database leaves one without tables.
    if sqlite and (is_empty or _is_older(revision)):
        upgrade(engine)
        return
    raise mismatch


def create_if_missing(engine: Engine) -> None:
    """Create a SQLite database if its file does not exist. Only its owner can read it."""
    if engine.dialect.name == "sqlite" and is_missing_file(engine.url):
        ensure(engine)


def is_checked(engine: Engine | Connection) -> bool:
    """Return whether this process has checked that the schema has the right revision."""
    return _IS_CHECKED in engine.get_execution_options()


def check_once(conn: Connection) -> None:
    """Check the schema in the transaction that begins, unless this process checked it before.

    Raises a `SchemaMismatch` without an explanation, which `ensure` gives.
    """
    if is_checked(conn):
        return
    if conn.dialect.name == "postgresql":
        _check_encoding(conn)
    ((revision,), *others) = fetch(conn, (_REVISIONS, {}))[0] or [(None,)]
    if others or revision != SCHEMA_REVISION:
        raise SchemaMismatch("the schema has another revision", _UPGRADE)
    conn.engine.update_execution_options(**{_IS_CHECKED: True})


def check(engine: Engine) -> str | None:
    """Return the revision of the database's schema, None if the database is empty. Raise
    `SchemaMismatch` if this version of catactl does not know the schema.
    """
    with reading(engine) as conn:
        revision = _read_revision(conn)
        if revision != SCHEMA_REVISION and not _is_older(revision):
            mismatch = _explain(conn, revision)
            if revision is not None or inspect(conn).get_table_names():
                raise mismatch
    return revision


def is_at_head(conn: Connection) -> bool:
    """Return whether the schema has the revision that this version needs."""
    return _read_revision(conn) == SCHEMA_REVISION


def upgrade(engine: Engine) -> None:
    """Migrate to the newest schema in one transaction. A second upgrade waits for the first.

    Raises `Forbidden` if another role owns the tables, `SchemaMismatch` if a migration does not fit
    the tables.
    """
    if engine.dialect.name == "sqlite":
        _create_private(engine)
    revision = None if is_missing_file(engine.url) else check(engine)
    try:
        _migrate(engine)
    except Forbidden as error:
        if engine.dialect.name != "postgresql":
            raise
        raise Forbidden(error.message, "upgrade as the role that owns the tables") from error
    except (CorruptLog, SchemaMismatch) as error:
        raise SchemaMismatch(
            f"the schema cannot be migrated from {revision or 'an empty database'} to "
            f"{SCHEMA_REVISION}: {error.message}",
            "no change was committed; if the tables or alembic_version were edited, restore "
            "a backup",
        ) from error


def _migrate(engine: Engine) -> None:
    from alembic import command

    logging.getLogger("alembic").setLevel(logging.WARNING)
    with writing(engine) as conn:
        begin(conn)
        if engine.dialect.name == "postgresql":
            conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
        config = migrations()
        config.attributes["connection"] = conn
        command.upgrade(config, "head")
        with pipelined(conn, commits=True):  # because that limits the wait for the result
            pass
        conn.commit()


def migrations() -> "Config":
    """Return Alembic's configuration for the installed package or for the checkout."""
    from alembic.config import Config

    package = Path(catactl.__file__).parent
    installed = package / "migrations"
    config = Config()
    location = installed if installed.is_dir() else package.parent / "alembic"
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    return config


def _read_revision(conn: Connection) -> str | None:
    """Return the schema's revision; None if there is no schema.

    Raises `BadConfiguration` if the database's encoding is not UTF-8 or the session has no schema,
    `SchemaMismatch` if there are several revisions.
    """
    # Look for the table first, because that takes less time than a query that fails.
    if conn.dialect.name == "postgresql":
        _check_encoding(conn)
        exists, current_schema = conn.execute(
            text("SELECT to_regclass('alembic_version') IS NOT NULL, current_schema()")
        ).one()
        if current_schema is None:
            raise BadConfiguration(
                "search_path does not name a schema that exists and that the role may use",
                "set search_path to the schema of catactl's tables, and as the owner of the tables "
                "run: catactl db grants ROLE --schema NAME | psql URL",
            )
    else:
        exists = conn.execute(
            text("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'")
        ).scalar()
    if not exists:
        return None
    revisions = list(conn.execute(text("SELECT version_num FROM alembic_version")).scalars())
    if len(revisions) > 1:
        listed = sorted(map(repr, revisions))[:_MAX_LISTED]
        raise SchemaMismatch(
            f"alembic_version has {len(revisions)} revisions: {', '.join(listed)}"
            + ", …" * (len(revisions) > _MAX_LISTED),
            "delete the rows that do not name the schema's revision, or restore a backup",
        )
    return revisions[0] if revisions else None


def _check_encoding(conn: Connection) -> None:
    """Raise `BadConfiguration` unless the PostgreSQL database stores text as UTF-8."""
    from catactl.store.sql.postgresql import server_encoding  # here, because it needs psycopg

    encoding = server_encoding(conn)
    if encoding != "UTF8":
        raise BadConfiguration(
            f"the database's encoding is {encoding}, but catactl needs UTF8",
            "create another database: CREATE DATABASE name TEMPLATE template0 ENCODING 'UTF8'",
        )


def _is_older(revision: str | None) -> bool:
    from alembic.script import ScriptDirectory

    known = {
        script.revision for script in ScriptDirectory.from_config(migrations()).walk_revisions()
    }
    return revision in known and revision != SCHEMA_REVISION


def _explain(conn: Connection, revision: str | None) -> SchemaMismatch:
    tables = inspect(conn).get_table_names() if revision is None else []
    if revision is None and not tables:
        return SchemaMismatch("the database is empty", _UPGRADE)
    if revision is None and {events.name, logs.name} <= set(tables):
        return SchemaMismatch(
            "the database has catactl's tables, but alembic_version does not name their revision",
            "restore a backup",
        )
    if revision is None:
        return SchemaMismatch(
            "the database has tables of another program", "use a separate database for catactl"
        )
    if _is_older(revision):
        return SchemaMismatch(
            f"the database's schema is at {revision}, but this catactl needs {SCHEMA_REVISION}",
            _UPGRADE,
        )
    return SchemaMismatch(
        f"the database's schema is at {revision!r}, which this catactl does not know "
        f"(it needs {SCHEMA_REVISION})",
        "upgrade catactl if the schema is newer, or check the database URL",
    )


def _create_private(engine: Engine) -> None:
    """Create a missing SQLite file, because SQLite would create it with wider permissions."""
    file = file_of(engine.url)
    if file is None or not is_missing_file(engine.url):
        return
    path = Path(file)
    if not may_create(engine.url):
        raise BadConfiguration(
            f"the database {path} does not exist, and its URL does not allow catactl to create it",
            "check the database URL: catactl config show",
        )
    try:
        path.touch(mode=0o600)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadConfiguration(
            f"the folder {path.parent} for the database does not exist",
            "create it, or check the database URL: catactl config show",
        ) from error
    except OSError as error:
        raise Forbidden(f"cannot create the database {path}: {error.strerror}") from error
