"""The operations by name, for the lines of `apply`."""

from typing import Any

from catactl.operations import files, jobs, organizations, users
from catactl.operations.operation import Operation

OPERATIONS: dict[str, Operation[..., Any]] = {
    each.name: each
    for module in (organizations, users, jobs, files)
    for each in vars(module).values()
    if isinstance(each, Operation)
}
