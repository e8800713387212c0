"""The privileges of a PostgreSQL role that runs all commands except `catactl db upgrade`.

It can add events, but cannot change or delete them.
"""

from catactl.store.tables import events, idempotency_keys, logs, metadata

# For users and all tables that are derived from events.
_READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")
_RESTRICTED = {
    "alembic_version": ("SELECT",),
    events.name: ("SELECT", "INSERT"),
    idempotency_keys.name: ("SELECT", "INSERT"),
    logs.name: ("SELECT", "INSERT", "UPDATE"),  # UPDATE also to lock a row
}
_ALL = (*_READ_AND_WRITE, "TRUNCATE")


def needed() -> dict[str, tuple[str, ...]]:
    """Return the privileges that commands need, by table."""
    return dict.fromkeys(metadata.tables, _READ_AND_WRITE) | _RESTRICTED


def statements(role: str, schema: str) -> list[str]:
    """Return the SQL that grants a role the privileges that it needs and revokes all others.

    The SQL can run again, and while the role runs commands.
    """
    tables: dict[tuple[str, ...], list[str]] = {}
    for table, privileges in needed().items():
        tables.setdefault(privileges, []).append(f"{_quoted(schema)}.{_quoted(table)}")
    sql = [f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {_quoted(role)};"]
    for privileges, names in tables.items():
        others = [privilege for privilege in _ALL if privilege not in privileges]
        listed = ", ".join(names)
        sql.append(f"GRANT {', '.join(privileges)} ON {listed} TO {_quoted(role)};")
        sql.append(f"REVOKE {', '.join(others)} ON {listed} FROM {_quoted(role)};")
    return sql


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
