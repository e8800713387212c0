"""Writes of parts."""

from catactl.domain.file import UploadPart
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import FileRef, Sha256
from catactl.operations.operation import operation
from catactl.results.parts import PartWritten, part_written


@operation("part.record")
def record_part(
    unit: UnitOfWork, *, file: FileRef, number: int, size_bytes: int, sha256: Sha256
) -> PartWritten:
    command = UploadPart(number, size_bytes, sha256.lower())
    return part_written(unit.run_stream(unit.file_id(file), command), number)
