"""What a PostgreSQL role may do that runs every command but `catactl db upgrade`.

It adds events, and can neither change nor delete one.
"""

from catactl.store.tables import events, idempotency_keys, logs, metadata

# What is not named below: rows that events add up to, and plain ones. Commands write them freely.
_EVERYTHING = ("SELECT", "INSERT", "UPDATE", "DELETE")
_LESS = {
    "alembic_version": ("SELECT",),
    events.name: ("SELECT", "INSERT"),
    idempotency_keys.name: ("SELECT", "INSERT"),
    logs.name: ("SELECT", "INSERT", "UPDATE"),  # which locking one takes as well
}
_ALL = (*_EVERYTHING, "TRUNCATE")


def needed() -> dict[str, tuple[str, ...]]:
    """Return the privileges that commands need, by table."""
    return dict.fromkeys(metadata.tables, _EVERYTHING) | _LESS


def statements(role: str, schema: str) -> list[str]:
    """Return the SQL that gives a role what it needs and takes from it what it does not.

    Safe to run again, also while the role is at work.
    """
    tables: dict[tuple[str, ...], list[str]] = {}
    for table, privileges in needed().items():
        tables.setdefault(privileges, []).append(f"{_quoted(schema)}.{_quoted(table)}")
    written = [f"GRANT USAGE ON SCHEMA {_quoted(schema)} TO {_quoted(role)};"]
    for privileges, names in tables.items():
        others = [privilege for privilege in _ALL if privilege not in privileges]
        where = ", ".join(names)
        written.append(f"GRANT {', '.join(privileges)} ON {where} TO {_quoted(role)};")
        written.append(f"REVOKE {', '.join(others)} ON {where} FROM {_quoted(role)};")
    return written


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
