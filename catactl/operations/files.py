"""Writes of files."""

from catactl.domain.file import CompleteFile, CreateFile, DeleteFile, RestoreFile
from catactl.handling.operation_scope import OperationScope
from catactl.operations.arguments import FileRef
from catactl.operations.operation import operation
from catactl.results.files import FileWritten, file_result, file_written
from catactl.results.written import without_events
from catactl.wiring.flow import FILE


@operation("file.create")
def create_file(
    scope: OperationScope, *, name: FileRef, if_not_exists: bool = False
) -> FileWritten:
    existing = scope.unit.find_live(FILE, name) if if_not_exists else None
    if existing is not None:
        file = file_result(scope.org_id, existing, *scope.unit.get(FILE, existing))
        return {**file, **without_events(scope)}
    file_id = scope.unit.new_id()
    scope.unit.expect_new(FILE, file_id)
    return file_written(scope.run(file_id, CreateFile(name, scope.unit.now)))


@operation("file.complete")
def complete_file(scope: OperationScope, *, file: FileRef) -> FileWritten:
    return file_written(scope.run(scope.file_id(file), CompleteFile()))


@operation("file.delete")
def delete_file(scope: OperationScope, *, file: FileRef) -> FileWritten:
    return file_written(scope.run(scope.file_id(file), DeleteFile()))


@operation("file.restore")
def restore_file(scope: OperationScope, *, file: FileRef) -> FileWritten:
    return file_written(scope.run(scope.file_id(file), RestoreFile()))
