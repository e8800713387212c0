"""What every verb is to Typer: a command whose help has its own options first."""

import shutil
from typing import Any

from typer import TyperException
from typer.core import TyperCommand

EVERY_COMMAND = "Options every command takes"
WRITES = "Options of writes"

_MIN_WIDTH, _MAX_WIDTH = 30, 100
_NARROW = 60  # from here down what is explained stands on a line of its own
_INDENT_IF_NARROW = 6


class Leaf(TyperCommand):
    """A verb. An option whose `rich_help_panel` names a group is listed with that group."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            if getattr(error, "ctx", ctx) is None:  # the parser does not say whose options they are
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What has to be given. An argument's metavar says already if it may be left out."""
        arguments = [each for each in self.params if each.param_type_name == "argument"]
        required = [each for each in self.params if each not in arguments and each.required]
        return [
            "[OPTIONS]",
            *(each.make_metavar(ctx=ctx) for each in arguments),
            *(f"{each.opts[0]} {each.make_metavar(ctx=ctx)}" for each in required),
        ]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for title, rows in self.sections(ctx).items():
            with formatter.section(title):
                write_list(formatter, rows)

    def sections(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Arguments and options with what they mean, in the order of the help."""
        sections: dict[str, list[tuple[str, str]]] = {
            title: [] for title in ("Arguments", "Options", WRITES, EVERY_COMMAND)
        }
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections[section_of(param)].append(record)
        return {title: rows for title, rows in sections.items() if rows}


def section_of(param: Any) -> str:
    if param.param_type_name == "argument":
        return "Arguments"
    if param.name == "help":
        return EVERY_COMMAND
    return param.rich_help_panel or "Options"


def write_list(formatter: Any, rows: list[tuple[str, str]]) -> None:
    if formatter.width < _NARROW:
        formatter.write_dl(rows, col_max=_INDENT_IF_NARROW)
    else:
        formatter.write_dl(rows)


def first_sentence(command: Any) -> str:
    """What a command does, whole where Typer would cut it off."""
    sentence: str = command.get_short_help_str(limit=10_000)
    return sentence


def context_settings() -> dict[str, Any]:
    """How each command parses, and how wide its help is: as the terminal, 100 at most."""
    columns = shutil.get_terminal_size().columns
    return {
        "help_option_names": ["-h", "--help"],
        "terminal_width": min(max(columns, _MIN_WIDTH), _MAX_WIDTH) - 2,
    }
