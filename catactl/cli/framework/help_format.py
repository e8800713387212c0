"""Format the help of commands, with their own options first, and iterate over the command tree."""

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

from typer import TyperException
from typer.core import TyperCommand, TyperGroup

EVERY_COMMAND_TITLE = "Options of all commands"
WRITES_TITLE = "Options of write commands"

MOST = 2**63 - 1  # the largest integer of a database
_MIN_WIDTH, _MAX_WIDTH = 30, 100
_NARROW = 60  # below this width each explanation has a line of its own
_INDENT_IF_NARROW = 6


class CatactlCommand(TyperCommand):
    """A command. An option whose `rich_help_panel` names a group is listed with that group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            if getattr(error, "ctx", ctx) is None:  # the parser does not name the command
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage: arguments, whose metavars mark optional ones, and required options."""
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        required = [each for each in self.params if each not in arguments and each.required]
        return [
            "[OPTIONS]",
            *(each.make_metavar(ctx=ctx) for each in arguments),
            *(f"{each.opts[0]} {each.make_metavar(ctx=ctx)}" for each in required),
        ]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the help text. Typer itself would break a line within the name of an option."""
        for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
            formatter.write_paragraph()
            text = textwrap.fill(
                " ".join(paragraph.split()),
                formatter.width,
                initial_indent="  ",
                subsequent_indent="  ",
                break_on_hyphens=False,
                break_long_words=False,
            )
            formatter.write(f"{text}\n")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.format_sections(
            ctx, formatter, "Arguments", "Options", WRITES_TITLE, EVERY_COMMAND_TITLE
        )

    def format_sections(self, ctx: Any, formatter: Any, *titles: str) -> None:
        """Write the groups of arguments or options that are not empty."""
        for title in titles:
            params = [each for each in self.get_params(ctx) if section_of(each) == title]
            found = filter(None, (each.get_help_record(ctx) for each in params))
            records = [(name, without_most(text)) for name, text in found]
            if records:
                with formatter.section(title):
                    write_list(formatter, records)


def without_most(text: str) -> str:
    """Return a help text without the maximum `MOST`, which means no limit."""
    text = text.replace(f"  [x<={MOST}]", "").replace(f"; x<={MOST}", "")
    return re.sub(rf"(\d+)<=x<={MOST}", r"x>=\1", text)


def section_of(param: Any) -> str:
    """Return the heading of an argument or option in the help."""
    if param.param_type_name == "argument":
        return "Arguments"
    if param.name == "help":
        return EVERY_COMMAND_TITLE
    return param.rich_help_panel or "Options"


def takes(command: Any, section: str) -> bool:
    return any(section_of(param) == section for param in command.params)


def write_list(formatter: Any, rows: list[tuple[str, str]]) -> None:
    if formatter.width < _NARROW:
        formatter.write_dl(rows, col_max=_INDENT_IF_NARROW)
    else:
        formatter.write_dl(rows)


def contexts(root: Any, *path: str) -> Iterator[Any]:
    """Yield the context of the command at a path, then of all commands below it, in order."""
    ctx = root.context_class(root, info_name="catactl", **root.context_settings)
    for name in path:
        name, command, _ = ctx.command.resolve_command(ctx, [name])
        ctx = command.context_class(command, info_name=name, parent=ctx, **command.context_settings)
    yield ctx
    if isinstance(ctx.command, TyperGroup):
        for name in ctx.command.list_commands(ctx):
            yield from contexts(root, *path, name)


def first_sentence(command: Any) -> str:
    """Return the first sentence of a command's help, which Typer itself would truncate."""
    sentence: str = command.get_short_help_str(limit=10_000)
    return sentence


def context_settings() -> dict[str, Any]:
    """Return the settings of a command's parser and help, which is at most 100 columns wide."""
    columns = shutil.get_terminal_size().columns
    return {
        "help_option_names": ["-h", "--help"],
        "terminal_width": min(max(columns, _MIN_WIDTH), _MAX_WIDTH) - 2,
    }
