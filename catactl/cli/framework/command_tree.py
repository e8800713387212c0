"""The command tree: nouns with their verbs, and commands without a noun.

The module of a command is imported when the command is run or described, and not before.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info

from catactl.cli.framework.help_format import context_settings, first_sentence, write_list
from catactl.errors import InvalidValue


class Noun(NamedTuple):
    """A group of commands. `catactl.cli.commands.NOUN.VERB` is the module of each verb."""

    help: str
    verbs: tuple[str, ...]


NOUNS = {
    "org": Noun(
        "Organizations: create, list, show, rename, suspend, resume, delete.",
        ("create", "list", "show", "rename", "suspend", "resume", "delete"),
    ),
    "quota": Noun("Quotas: the maximum that an organization may store.", ("set", "clear", "list")),
    "user": Noun(
        "Users of an organization.",
        ("add", "list", "show", "update", "disable", "enable", "remove"),
    ),
    "job": Noun(
        "Job configurations: image, schedule and input files.",
        ("create", "list", "show", "update", "enable", "disable", "delete"),
    ),
    "file": Noun(
        "Files: upload, download, list, delete, restore.",
        ("create", "complete", "list", "show", "delete", "restore", "upload", "download", "verify"),
    ),
    "part": Noun("The parts of a file.", ("record", "upload", "list")),
    "blob": Noun("Stored content: verify it, remove unreferenced content.", ("verify", "gc")),
    "usage": Noun(
        "Storage usage: show, check, correct, explain, report and export it.",
        ("show", "top", "history", "report", "explain", "export", "check", "recompute"),
    ),
    "event": Noun(
        "Events of an organization's log: list, show, trace, verify.",
        ("list", "show", "trace", "verify", "correct-clock"),
    ),
    "projection": Noun(
        "Projections, which are tables derived from events: check and rebuild them.",
        ("list", "check", "rebuild"),
    ),
    "db": Noun(
        "The database: migrate the schema, grant access.", ("upgrade", "current", "check", "grants")
    ),
    "config": Noun("Settings and their origins: show, validate.", ("show", "path", "validate")),
}
# Commands without a noun, with their help in the list of commands.
COMMANDS = {
    "apply": "Run many commands, one JSON object per line.",
    "doctor": "Examine settings, database, log and content, and suggest corrections.",
    "help": "Print the help of a command, or of all of them.",
    "schema": "Print a description of all commands, options and results as JSON.",
    "topology": "Print how commands, events, sagas and projections are connected.",
    "completion": "Print a script with which a shell completes commands, options and names.",
    "demo": "Upload real files in a temporary database, and check usage and content.",
    "version": "Print the version.",
}
COMPLETION_VARIABLE = "_CATACTL_COMPLETE"  # its value is the name of the shell
_HELP = """Administer Catacloud: organizations, users, jobs and files.

Storage usage is exact at every commit, and anyone can prove it from the events.

Example: catactl org create acme --quota 10GB
"""


def root() -> TyperGroup:
    """Return the whole command tree."""
    return _Root("catactl", _HELP, (*NOUNS, *COMMANDS))


def _build(*path: str) -> Any:
    from catactl.cli.framework.command import declaration  # the list of commands does not show it

    info = declaration(*path).as_typer(path[-1])
    info.context_settings = context_settings()
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


class _Group(TyperGroup):
    """A group that suggests similar commands for an unknown one."""

    def __init__(self, name: str, help: str, names: Sequence[str]) -> None:
        super().__init__(
            name=name,
            help=help,
            no_args_is_help=True,
            rich_markup_mode=None,
            context_settings=context_settings(),
        )
        self.names = list(names)

    def list_commands(self, ctx: Any) -> list[str]:
        return self.names

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.names and not args[0].startswith("-"):
            close = get_close_matches(args[0], self.names, n=3)
            hint = f"did you mean {', '.join(map(repr, close))}?" if close else None
            raise InvalidValue(
                f"no such command {args[0]!r}", hint or f"see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(name, first_sentence(self.get_command(ctx, name))) for name in self.names]
        with formatter.section("Commands"):
            write_list(formatter, rows)


class _NounGroup(_Group):
    """A noun. It imports a verb only to run or describe it."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _build(str(self.name), cmd_name) if cmd_name in self.names else None


class _Root(_Group):
    """The nouns, and the commands without a noun."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command with its help in one line. `resolve_command` imports the one to run."""
        if cmd_name in NOUNS:
            return _NounGroup(cmd_name, *NOUNS[cmd_name])
        if cmd_name in COMMANDS:
            return TyperCommand(name=cmd_name, help=COMMANDS[cmd_name], rich_markup_mode=None)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            return args[0], _build(args[0]), args[1:]
        return super().resolve_command(ctx, args)
