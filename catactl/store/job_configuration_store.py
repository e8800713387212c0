"""Store the states of job configurations."""

from typing import Any

from sqlalchemy import Connection

from catactl.domain.job_configuration import JobConfiguration, JobSpec
from catactl.store import canonical_json, codec
from catactl.store.state_store import StateStore
from catactl.store.tables import job_configurations


class JobConfigurationStore(StateStore[JobConfiguration]):
    """A row of `job_configurations`."""

    def __init__(self) -> None:
        super().__init__(job_configurations.c.job_id, constant={"created_at"})

    def to_row(self, state: JobConfiguration, version: int) -> dict[str, Any]:
        return {
            "name": state.name,
            "spec": canonical_json.canonical(codec.dump_object(state.spec)),
            "enabled": state.enabled,
            "deleted": state.deleted,
            "created_at": state.created_at,
            "version": version,
        }

    def from_row(self, conn: Connection, row: Any) -> JobConfiguration:
        return JobConfiguration(
            spec=codec.load_object(JobSpec, canonical_json.load_document(row.spec)),
            created_at=row.created_at,
            enabled=row.enabled,
            deleted=row.deleted,
        )
