"""The scope of an operation: an organization, its unit of work, and the intent."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Command, CommandEnvelope
from catactl.errors import NotFound
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import Outcome, UnitOfWork
from catactl.store import name_lookup
from catactl.wiring.flow import FILE, JOB_CONFIGURATION, Aggregate


@dataclass(frozen=True, slots=True)
class OperationScope:
    """The organization that an operation changes, under the lock of its log.

    If it `suggests_names`, the error for an unknown name suggests similar names. A batch does not,
    because this needs a query.
    """

    unit: UnitOfWork
    intent: Intent
    suggests_names: bool = False

    @property
    def conn(self) -> Connection:
        return self.unit.conn

    @property
    def org_id(self) -> UUID:
        return self.unit.org_id

    @property
    def org_ref(self) -> str:
        """The organization as the caller named it."""
        return self.intent.org_ref

    def run(self, stream_id: UUID, command: Command) -> Outcome:
        """Run a command of a stream, and the commands that sagas send in response."""
        return self.unit.run(CommandEnvelope(stream_id, command), self.intent)

    def run_organization(self, command: Command) -> Outcome:
        """Run a command of the organization itself."""
        return self.run(self.org_id, command)

    def file_id(self, reference: str) -> UUID:
        """Return the id of a file by name or id; raise `NotFound`."""
        return self._find(FILE, reference, name_lookup.resolve_file)

    def job_id(self, reference: str) -> UUID:
        """Return the id of a job configuration by name or id; raise `NotFound`."""
        return self._find(JOB_CONFIGURATION, reference, name_lookup.resolve_job)

    def _find(
        self, aggregate: Aggregate, reference: str, resolve: Callable[[Connection, UUID, str], UUID]
    ) -> UUID:
        try:
            return self.unit.resolve(aggregate, reference)
        except NotFound:
            if not self.suggests_names:
                raise
            return resolve(self.conn, self.org_id, reference)
