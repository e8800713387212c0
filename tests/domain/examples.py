"""An example of each command, for tests of all commands."""

from datetime import timedelta
from typing import Any, get_args
from uuid import UUID

from catactl.domain import file, job_configuration, organization
from catactl.domain.decider import Command
from catactl.domain.job_configuration import JobSpec
from tests.support import BYTES_1, BYTES_2, NOON

JOB, INPUT = UUID(int=1), UUID(int=2)
SPEC = JobSpec("nightly", "image", inputs=(INPUT,))
EXAMPLES: list[Command] = [
    organization.CreateOrganization("acme", NOON, 5),
    organization.RenameOrganization("beta"),
    organization.SetQuota(1),
    organization.ClearQuota(),
    organization.SuspendOrganization(),
    organization.ResumeOrganization(),
    organization.DeleteOrganization(),
    organization.ChangeStorageUsage(1, 0, 1),
    organization.CorrectStorageUsage(1, 1, 1, "events", 0),
    organization.SweepOrganizationContent({BYTES_1: 1}),
    organization.CorrectClock(NOON + timedelta(days=1), NOON),
    file.CreateFile("a", NOON),
    file.UploadPart(1, 5, BYTES_2),
    file.CompleteFile(),
    file.DeleteFile(),
    file.RestoreFile(),
    file.SweepFileContent(),
    file.LinkFile(INPUT),
    file.UnlinkFile(JOB),
    job_configuration.CreateJobConfiguration(SPEC, NOON),
    job_configuration.UpdateJobConfiguration({"image": "other"}),
    job_configuration.EnableJobConfiguration(),
    job_configuration.DisableJobConfiguration(),
    job_configuration.DeleteJobConfiguration(),
]


def examples_of(commands: Any, *without: type[Command]) -> list[Any]:
    """Return the examples of a union of commands, without those of the given classes."""
    wanted = set(get_args(commands)) - set(without)
    return [command for command in EXAMPLES if type(command) in wanted]


def class_name(command: Command) -> str:
    """Return the name of a command's class, for the id of a test."""
    return type(command).__name__
