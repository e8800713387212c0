"""Results about the program: its database, settings, health and commands."""

from typing import NotRequired, TypedDict

from catactl.results.error import ErrorResult
from catactl.results.result import JsonObject, columns


class SchemaRevision(TypedDict):
    """The revision of a database's schema, and the one that this version needs."""

    revision: str | None
    head: str
    ok: bool


class Grants(TypedDict):
    role: str
    statements: list[str]


class SettingResult(TypedDict):
    name: str
    value: str | None
    origin: str


class ConfigProblem(TypedDict):
    where: str
    key: str | None
    message: str
    hint: str | None


class ConfigValidation(TypedDict):
    path: str
    ok: bool
    problems: list[ConfigProblem]


class ConfigPath(TypedDict):
    path: str


@columns("status name message hint", id="name")
class ExaminationResult(TypedDict):
    name: str
    status: str
    message: str
    hint: str | None


class DoctorResult(TypedDict):
    ok: bool
    problems: int
    warnings: int
    checks: list[ExaminationResult]


@columns("line status result error")
class AppliedLine(TypedDict):
    """The result of a line of `apply`. `status` is ok or error."""

    line: int
    status: str
    result: NotRequired[JsonObject]
    replayed: NotRequired[bool]
    error: NotRequired[ErrorResult]


class Topology(TypedDict):
    aggregates: list[JsonObject]
    sagas: list[JsonObject]
    views: list[JsonObject]


class CompletionScript(TypedDict):
    shell: str
    script: str


class HelpResult(TypedDict):
    help: str


class VersionResult(TypedDict):
    version: str


class CommandSchema(TypedDict):
    """The description of all commands for programs; see `catactl schema`."""

    version: str
    commands: list[JsonObject]
    option_groups: JsonObject
    exit_codes: list[JsonObject]
    error: list[JsonObject]
    lines: list[JsonObject]
