"""Export current usage in the Prometheus text format, for node_exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, RowMapping, func, select

from catactl.store.tables import organizations, storage_usage

# The name of each gauge, and its help. A value that is null has no sample.
_GAUGES = {
    "catactl_storage_used_bytes": "Bytes that an organization stores.",
    "catactl_storage_quota_bytes": "Bytes that an organization may store; absent when unlimited.",
    "catactl_storage_files": "Files of an organization that are not deleted.",
    "catactl_storage_parts": "Parts of those files.",
    "catactl_organization_suspended": "1 if an organization is suspended, otherwise 0.",
}
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))  # not allowed in names, but an old name may have one
_ESCAPES = {code: rf"\\x{code:02x}" for code in _CONTROLS} | {
    ord("\\"): r"\\",
    ord('"'): r"\"",
    ord("\n"): r"\n",
}


def organization_metrics(conn: Connection, org_ids: Sequence[UUID] | None) -> Sequence[RowMapping]:
    """Return the id, the name and the gauges of each of the given organizations, or of all that are
    not deleted, in order of name.
    """
    usage = storage_usage.c
    query = (
        select(
            organizations.c.org_id,
            organizations.c.name,
            func.coalesce(usage.used_bytes, 0).label("catactl_storage_used_bytes"),
            organizations.c.quota_bytes.label("catactl_storage_quota_bytes"),
            func.coalesce(usage.file_count, 0).label("catactl_storage_files"),
            func.coalesce(usage.part_count, 0).label("catactl_storage_parts"),
            (organizations.c.status == "suspended").label("catactl_organization_suspended"),
        )
        .outerjoin(storage_usage, storage_usage.c.org_id == organizations.c.org_id)
        .order_by(organizations.c.name, organizations.c.org_id)
    )
    chosen = (
        organizations.c.org_id.in_(org_ids)
        if org_ids is not None
        else organizations.c.status != "deleted"
    )
    return conn.execute(query.where(chosen)).mappings().all()


def exposition(organizations: Sequence[RowMapping], now: datetime) -> Iterator[str]:
    """Yield the lines of a metrics file. Integers are written exactly."""
    for name, help_ in _GAUGES.items():
        yield from _head(name, help_)
        for each in organizations:
            if each[name] is not None:
                labels = f'org_id="{each["org_id"]}",name="{each["name"].translate(_ESCAPES)}"'
                yield f"{name}{{{labels}}} {int(each[name])}"
    name = "catactl_export_timestamp_seconds"
    yield from _head(name, "Time of these figures, in seconds since 1970.")
    yield f"{name} {int(now.timestamp())}"


def _head(name: str, help_: str) -> Iterator[str]:
    yield f"# HELP {name} {help_}"
    yield f"# TYPE {name} gauge"
