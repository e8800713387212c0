"""The command tree: nouns and their verbs, each module loaded when it is asked for."""

import importlib
from difflib import get_close_matches
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info

from catactl.cli.framework.help_format import context_settings, first_sentence, write_list
from catactl.errors import InvalidValue

NOUNS = {
    "org": "Organizations: create, list, show, rename, suspend, resume, delete.",
    "quota": "How much an organization may store.",
    "user": "Users of an organization.",
    "job": "Job configurations: what runs, when, on which files.",
    "file": "Files: upload, download, list, delete, restore.",
    "part": "The parts of a file.",
    "blob": "Stored content: verify it, remove what nothing refers to.",
    "usage": "Storage usage: now and then, proved, corrected, explained, billed, exported.",
    "event": "The log: list, show, trace, verify.",
    "projection": "Views that are kept up from the events.",
    "db": "The database's schema, and who may use it.",
    "config": "Settings and where they come from.",
}
VERBS = {
    "apply": "Do many commands, one JSON object a line.",
    "doctor": "Examine settings, database, log and content; say what mends what is wrong.",
    "help": "Print the help of a command, or a topic such as billing or cron.",
    "schema": "Describe every command, its options and its JSON, for programs.",
    "topology": "Print what leads to what: commands, events, sagas, views.",
    "completion": "Print what makes a shell complete commands, options and names.",
    "demo": "Run the main job on real files, in a database thrown away afterwards.",
    "version": "Print the version.",
}
COMPLETION_VARIABLE = "_CATACTL_COMPLETE"  # names the shell that asks what may come next
_HELP = """Administer Catacloud: organizations, users, jobs and files.

Storage usage is exact at every commit, and anyone can prove it from the events.

`catactl help` lists topics such as billing and cron; `catactl help TOPIC` prints one.

Example: catactl org create acme --quota 10GB
"""


class _Noun(TyperGroup):
    """A group whose module is imported, and whose verbs are built, only when one is asked for."""

    def _infos(self) -> dict[str, Any]:
        module = importlib.import_module(f"catactl.cli.commands.{self.name}")
        return {info.name: info for info in module.app.registered_commands}

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._infos())

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            close = get_close_matches(args[0], known, n=3)
            hint = f"did you mean {', '.join(map(repr, close))}?" if close else None
            raise InvalidValue(
                f"no such command {args[0]!r}", hint or f"see: {ctx.command_path} --help"
            )
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        info = self._infos().get(cmd_name)
        return _build(info) if info is not None else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        names = self.list_commands(ctx)
        with formatter.section("Commands"):
            write_list(
                formatter, [(name, first_sentence(self.get_command(ctx, name))) for name in names]
            )


class _Root(_Noun):
    """The nouns, and the verbs that stand alone: each a module with one command of its own name."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*NOUNS, *VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return what can say its own help in a line; `resolve_command` loads what is run."""
        if cmd_name in NOUNS:
            return _Noun(
                name=cmd_name,
                help=NOUNS[cmd_name],
                no_args_is_help=True,
                rich_markup_mode=None,
                context_settings=context_settings(),
            )
        if cmd_name in VERBS:
            return TyperCommand(name=cmd_name, help=VERBS[cmd_name], rich_markup_mode=None)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in VERBS:
            module = importlib.import_module(f"catactl.cli.commands.{args[0]}")
            return args[0], _build(module.app.registered_commands[0]), args[1:]
        return super().resolve_command(ctx, args)


def _build(info: Any) -> Any:
    info.context_settings = context_settings()
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


def root() -> TyperGroup:
    """The whole command tree."""
    return _Root(
        name="catactl",
        help=_HELP,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=context_settings(),
    )
