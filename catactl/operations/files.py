"""Writes of files."""

from catactl.domain.file import CompleteFile, CreateFile, DeleteFile, RestoreFile
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import FileRef
from catactl.operations.operation import operation
from catactl.results.files import FileWritten, file_result, file_written
from catactl.results.written import without_events
from catactl.wiring.flow import FILE


@operation("file.create")
def create_file(unit: UnitOfWork, *, name: FileRef, if_not_exists: bool = False) -> FileWritten:
    existing = unit.find_live(FILE, name) if if_not_exists else None
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
