"""Run the commands that benchmarks measure: create an organization and a file, record parts."""

import hashlib
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from uuid import UUID

from catactl.domain.decider import Command, CommandEnvelope
from catactl.domain.file import CreateFile, UploadPart
from catactl.domain.organization import CreateOrganization
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.handling.unit_of_work import Outcome
from catactl.results.files import part_written
from catactl.values.ids import new_id
from catactl.values.numbers import MAX_PART_NUMBER
from tests.support import handle

INTENT = Intent("benchmark")
_SHA256 = hashlib.sha256(b"content").hexdigest()


def create_organization(handler: Handler) -> UUID:
    now = datetime.now(UTC)
    org_id = new_id(now)
    _handle(handler, org_id, org_id, CreateOrganization(f"acme-{org_id}", now))
    return org_id


def create_file(handler: Handler, org_id: UUID) -> UUID:
    now = datetime.now(UTC)
    file_id = new_id(now)
    _handle(handler, org_id, file_id, CreateFile(f"{file_id}.bin", now))
    return file_id


def record_part(handler: Handler, org_id: UUID, file_id: UUID, number: int) -> float:
    """Record a part as `catactl part record` does. Return the seconds that it took.

    After the highest number, start again at 1 with another size, so that no part is a repetition.
    """
    part_number = (number - 1) % MAX_PART_NUMBER + 1
    command = UploadPart(part_number, 1_000 + number, _SHA256)

    def present(outcome: Outcome) -> dict[str, Any]:
        return {**part_written(outcome, part_number)}

    started = perf_counter()
    handle(handler, org_id, CommandEnvelope(file_id, command), INTENT, present)
    return perf_counter() - started


def _handle(handler: Handler, org_id: UUID, stream_id: UUID, command: Command) -> None:
    handle(
        handler,
        org_id,
        lambda conn: CommandEnvelope(stream_id, command),
        INTENT,
        lambda outcome: {},
    )
