"""catactl help"""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from catactl.cli.framework.command import command
from catactl.cli.framework.command_tree import root
from catactl.cli.framework.context import Context
from catactl.cli.framework.help_format import EVERY_COMMAND, WRITES, CatactlCommand, contexts, takes
from catactl.errors import InvalidValue
from catactl.results.shapes import Shape

app = typer.Typer()


@command(app, "help")
def help_(
    run: Context,
    noun: Annotated[
        str | None, typer.Argument(metavar="[NOUN]", help="As org, or a verb that stands alone.")
    ] = None,
    verb: Annotated[str | None, typer.Argument(metavar="[VERB]", help="As create.")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every command below, in one text for a pager.")
    ] = False,
) -> None:
    """Print what a command does and takes, as --help does; with --all, what every command does.

    Example: catactl help --all | less
    """
    path = [word for word in (noun, verb) if word is not None]
    found = _at(path)
    text = "\n\n\n".join(_all(found)) if all_ else found[0].get_help()
    if run.output.is_for_programs:
        run.output.show({"help": text}, Shape("", ("help",)))
    else:
        run.output.text(text)


def _at(path: list[str]) -> list[Any]:
    """The contexts of a command and of those below it."""
    if len(path) == 2 and not hasattr(next(contexts(root(), path[0])).command, "list_commands"):
        raise InvalidValue(f"{path[0]} has no verbs", f"catactl help {path[0]}")
    return list(contexts(root(), *path))


def _all(found: list[Any]) -> Iterator[str]:
    """What each command does; the options that all or all writes take are there once, at the end.

    Of a group there is its first line alone: its verbs follow.
    """
    shared: dict[str, Any] = {}
    for ctx in found:
        formatter = ctx.make_formatter()
        ctx.command.format_usage(ctx, formatter)
        ctx.command.format_help_text(ctx, formatter)
        if isinstance(ctx.command, CatactlCommand):
            ctx.command.format_sections(ctx, formatter, "Arguments", "Options")
            for title in (WRITES, EVERY_COMMAND):
                if takes(ctx.command, title):
                    shared.setdefault(title, ctx)
            if takes(ctx.command, WRITES):
                formatter.write_paragraph()
                formatter.write_text(f"It takes the {WRITES.lower()} as well.")
        yield formatter.getvalue().rstrip()
    for title, ctx in shared.items():
        formatter = ctx.make_formatter()
        ctx.command.format_sections(ctx, formatter, title)
        yield formatter.getvalue().strip()
