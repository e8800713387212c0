"""The operations by their names, which lines of `apply` use."""

from typing import Any

from catactl.operations import files, jobs, organizations, users
from catactl.operations.operation import Operation

OPERATIONS: dict[str, Operation[..., Any]] = {
    operation.name: operation
    for operation in (
        organizations.create_organization,
        organizations.rename_organization,
        organizations.suspend_organization,
        organizations.resume_organization,
        organizations.delete_organization,
        organizations.set_quota,
        organizations.clear_quota,
        organizations.correct_clock,
        users.add_user,
        users.update_user,
        users.disable_user,
        users.enable_user,
        users.remove_user,
        jobs.create_job,
        jobs.update_job,
        jobs.enable_job,
        jobs.disable_job,
        jobs.delete_job,
        files.create_file,
        files.complete_file,
        files.delete_file,
        files.restore_file,
        files.record_part,
    )
}
