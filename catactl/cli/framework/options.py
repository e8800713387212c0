"""The options that many commands have, in groups. A command takes every group it needs."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from typer import Argument, Option

from catactl.cli.framework.help_format import EVERY_COMMAND_TITLE, MOST, WRITES_TITLE
from catactl.config.settings import LogFormat, OutputFormat


@dataclass(eq=False, repr=False)
class Options:
    """The values of the options in all groups. An option that a command does not take is unset."""

    database_url: str | None = None
    database_url_file: str | None = None
    blob_url: str | None = None
    profile: str | None = None
    output: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    log_format: str | None = None
    lock_timeout: float | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    actor: str | None = None
    reason: str | None = None
    expected_version: int | None = None
    yes: bool = False

    @property
    def settings(self) -> dict[str, str | None]:
        """The options that are settings, by name, in the form that `load_settings` accepts."""
        output = self.output.removeprefix("=") if self.output is not None else None  # -o=json
        return {
            "database_url": self.database_url,
            "database_url_file": self.database_url_file,
            "blob_url": self.blob_url,
            "profile": self.profile,
            "output": "json" if self.json else output,
            "actor": self.actor,
            "lock_timeout": None if self.lock_timeout is None else str(self.lock_timeout),
            "log_format": self.log_format,
        }


# Options that a command takes together: annotations by the names of fields of `Options`.
OptionGroup = dict[str, Any]


def _option(type_: Any, *flags: str, panel: str | None = None, **settings: Any) -> Any:
    return Annotated[type_, Option(*flags, rich_help_panel=panel, **settings)]


_every = partial(_option, panel=EVERY_COMMAND_TITLE)
_write = partial(_option, panel=WRITES_TITLE)
_Text = str | None

EVERY_COMMAND: OptionGroup = {
    "database_url": _every(
        _Text, "--database-url", metavar="URL", help="Database (CATACTL_DATABASE_URL)."
    ),
    "database_url_file": _every(
        _Text,
        "--database-url-file",
        metavar="PATH",
        help="File that contains the URL (CATACTL_DATABASE_URL_FILE).",
    ),
    "profile": _every(
        _Text, "--profile", metavar="PROFILE", help="Profile of config.toml (CATACTL_PROFILE)."
    ),
    "output": _every(
        OutputFormat | None,
        "--output",
        "-o",
        metavar="FORMAT",
        help="table, json, jsonl, csv, tsv or id.",
    ),
    "json": _every(bool, "--json", help="The same as -o json."),
    "quiet": _every(bool, "--quiet", "-q", help="Print only errors."),
    "verbose": _every(bool, "--verbose", "-v", help="Print SQL, events and times on stderr."),
    "log_format": _every(
        LogFormat | None,
        "--log-format",
        metavar="FORMAT",
        help="Format of messages on stderr: text or json.",
    ),
    "no_color": _every(bool, "--no-color", help="No colors (NO_COLOR)."),
    "lock_timeout": _every(
        float | None,
        "--lock-timeout",
        metavar="SECONDS",
        help="Maximum time to wait for a lock; 0: do not wait. [default: 30]",
    ),
}
WRITES: OptionGroup = {
    "dry_run": _write(
        bool, "--dry-run", help="Run the command, then roll back instead of committing."
    ),
    "idempotency_key": _write(
        _Text,
        "--idempotency-key",
        metavar="KEY",
        help="Run the request only once, even if it is repeated with the same KEY.",
    ),
    "actor": _write(
        _Text,
        "--actor",
        metavar="NAME",
        help="Name of the author, stored with the events (CATACTL_ACTOR).",
    ),
    "reason": _write(_Text, "--reason", metavar="TEXT", help="Reason, stored with the events."),
}
CONTENT: OptionGroup = {
    "blob_url": _option(
        _Text, "--blob-url", metavar="URL", help="Location of the content (CATACTL_BLOB_URL)."
    )
}
EXPECTED_VERSION: OptionGroup = {
    "expected_version": _option(
        int | None,
        "--expected-version",
        metavar="N",
        min=0,
        help="Refuse the change unless the version is N.",
    )
}
CONFIRMATION: OptionGroup = {
    "yes": _option(bool, "--yes", "-y", help="Do not ask for a confirmation.")
}

# Arguments and options of several commands.
OrgArgument = Annotated[str, Argument(metavar="ORG", help="Organization, by name or id.")]
OrgArguments = Annotated[
    list[str] | None,
    Argument(metavar="[ORG…]", help="Organizations, by name or id. [default: all]"),
]
FileArgument = Annotated[str, Argument(metavar="FILE", help="File, by name or id.")]
PartNumberArgument = Annotated[
    str, Argument(metavar="NUMBER", help="Number of the part, 1 to 10,000.")
]
PositionArgument = Annotated[
    int, Argument(metavar="POSITION", max=MOST, help="Position in the log, starting at 1.")
]
WithDeleted = Annotated[bool, Option("--all", help="Include deleted items.")]
IfNotExists = Annotated[
    bool, Option("--if-not-exists", help="Succeed if an identical item exists already.")
]
AsOf = Annotated[
    str | None,
    Option(
        "--as-of", metavar="TIME", help="State at a time: 2026-01-31T12:00:00Z, 2026-01-31, -7d."
    ),
]
AtVersion = Annotated[
    int | None, Option("--at-version", metavar="N", min=1, max=MOST, help="State at version N.")
]
