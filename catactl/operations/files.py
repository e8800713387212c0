"""Writes of files and their parts."""

from catactl.domain.file import CompleteFile, CreateFile, DeleteFile, RestoreFile, UploadPart
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import FileRef, Sha256
from catactl.operations.operation import operation
from catactl.results.files import FileWritten, PartWritten, file_result, file_written, part_written
from catactl.results.result import without_events
from catactl.wiring.flow import FILE


@operation("file.create")
def create_file(unit: UnitOfWork, *, name: FileRef, if_not_exists: bool = False) -> FileWritten:
    existing = unit.names.find(FILE, name) if if_not_exists else None
    if existing is not None:
        file = file_result(unit.org_id, existing, *unit.get(FILE, existing))
        return {**file, **without_events(unit)}
    file_id = unit.new_id()
    unit.expect_new(FILE, file_id)
    return file_written(unit.run_stream(file_id, CreateFile(name, unit.now)))


@operation("file.complete")
def complete_file(unit: UnitOfWork, *, file: FileRef) -> FileWritten:
    return file_written(unit.run_stream(unit.file_id(file), CompleteFile()))


@operation("file.delete")
def delete_file(unit: UnitOfWork, *, file: FileRef) -> FileWritten:
    return file_written(unit.run_stream(unit.file_id(file), DeleteFile()))


@operation("file.restore")
def restore_file(unit: UnitOfWork, *, file: FileRef) -> FileWritten:
    return file_written(unit.run_stream(unit.file_id(file), RestoreFile()))


@operation("part.record")
def record_part(
    unit: UnitOfWork, *, file: FileRef, number: int, size_bytes: int, sha256: Sha256
) -> PartWritten:
    command = UploadPart(number, size_bytes, sha256.lower())
    return part_written(unit.run_stream(unit.file_id(file), command), number)
