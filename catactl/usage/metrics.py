"""Export current usage in the Prometheus text format, for node_exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, func, select

from catactl.store.tables import organizations, storage_usage


class OrganizationMetrics(NamedTuple):
    """The current values of an organization."""

    org_id: UUID
    name: str
    suspended: bool
    used_bytes: int
    quota_bytes: int | None
    file_count: int
    part_count: int


# Name, field and help of each gauge. A value that is null has no sample.
_GAUGES = (
    ("catactl_storage_used_bytes", "used_bytes", "Bytes that an organization stores."),
    (
        "catactl_storage_quota_bytes",
        "quota_bytes",
        "Bytes that an organization may store; absent when unlimited.",
    ),
    ("catactl_storage_files", "file_count", "Files of an organization that are not deleted."),
    ("catactl_storage_parts", "part_count", "Parts of those files."),
    (
        "catactl_organization_suspended",
        "suspended",
        "1 if an organization is suspended, otherwise 0.",
    ),
)
_CONTROLS = (*range(0x20), *range(0x7F, 0xA0))  # not allowed in names, but an old name may have one
_ESCAPES = {code: rf"\\x{code:02x}" for code in _CONTROLS} | {
    ord("\\"): r"\\",
    ord('"'): r"\"",
    ord("\n"): r"\n",
}


def organization_metrics(
    conn: Connection, org_ids: Sequence[UUID] | None
) -> list[OrganizationMetrics]:
    """Return the values of the given organizations, or of all that are not deleted, by name."""
    figures = (
        func.coalesce(storage_usage.c[name], 0)
        for name in ("used_bytes", "file_count", "part_count")
    )
    used_bytes, file_count, part_count = figures
    query = (
        select(
            organizations.c.org_id,
            organizations.c.name,
            organizations.c.status == "suspended",
            used_bytes,
            organizations.c.quota_bytes,
            file_count,
            part_count,
        )
        .outerjoin(storage_usage, storage_usage.c.org_id == organizations.c.org_id)
        .order_by(organizations.c.name, organizations.c.org_id)
    )
    chosen = (
        organizations.c.org_id.in_(org_ids)
        if org_ids is not None
        else organizations.c.status != "deleted"
    )
    return [OrganizationMetrics(*row) for row in conn.execute(query.where(chosen))]


def exposition(organization_metrics: Iterable[OrganizationMetrics], now: datetime) -> Iterator[str]:
    """Yield the lines of a metrics file. Integers are written exactly."""
    organization_metrics = list(organization_metrics)
    for name, field, help_ in _GAUGES:
        yield from _head(name, help_)
        for each in organization_metrics:
            value: Any = getattr(each, field)
            if value is not None:
                labels = f'org_id="{each.org_id}",name="{_escaped(each.name)}"'
                yield f"{name}{{{labels}}} {int(value)}"
    name = "catactl_export_timestamp_seconds"
    yield from _head(name, "Time of these figures, in seconds since 1970.")
    yield f"{name} {int(now.timestamp())}"


def _head(name: str, help_: str) -> Iterator[str]:
    yield f"# HELP {name} {help_}"
    yield f"# TYPE {name} gauge"


def _escaped(label_value: str) -> str:
    return label_value.translate(_ESCAPES)
