"""Several commands in one transaction."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Command, CommandEnvelope
from catactl.domain.file import CompleteFile, CreateFile, UploadPart
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import UnitOfWork
from tests.support import BYTES_1, BYTES_2, INTENT, NOON, summary


def transact(
    handler: Handler, org_id: UUID, *commands: tuple[UUID, Command], intent: Intent = INTENT
) -> dict[str, Any]:
    """Run the commands in one transaction. Return the outcome of each."""

    def work(conn: Connection, unit: UnitOfWork) -> dict[str, Any]:
        return {"all": [summary(unit.run(CommandEnvelope(*command))) for command in commands]}

    return handler.transact(org_id, intent, work)


def whole_file(file_id: UUID, size_bytes: int = 10) -> list[tuple[UUID, Command]]:
    """Return two parts of one size, and a change of the second."""
    return [
        (file_id, CreateFile("data.bin", NOON)),
        (file_id, UploadPart(1, size_bytes, BYTES_1, stored=True)),
        (file_id, UploadPart(2, 1, BYTES_1)),
        (file_id, UploadPart(2, size_bytes, BYTES_2, stored=True)),
        (file_id, CompleteFile()),
    ]
