"""catactl help"""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any

from typer import Argument, Option

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.command_tree import COMMANDS, NOUNS, root
from catactl.cli.framework.help_format import (
    EVERY_COMMAND_TITLE,
    WRITES_TITLE,
    CatactlCommand,
    contexts,
    takes,
    write_list,
)
from catactl.errors import InvalidValue
from catactl.help.topics import topic_names, topic_summary, topic_text
from catactl.results.program import HelpResult
from catactl.results.result import Text


@command()
def help_(
    context: Context,
    noun: Annotated[
        str | None,
        Argument(
            metavar="[NOUN|TOPIC]",
            help="A noun (org), a command without a noun (apply) or a topic (billing).",
        ),
    ] = None,
    verb: Annotated[
        str | None, Argument(metavar="[VERB]", help="A verb of the noun (create).")
    ] = None,
    all_: Annotated[
        bool, Option("--all", help="Also print the help of all commands below.")
    ] = False,
) -> Text[HelpResult]:
    """Print the help of a command, or a topic. Without arguments, list all commands and topics.

    If a command and a topic have the same name, the name means the command.

    Example: catactl help --all | less
    """
    if noun is None or noun in NOUNS or noun in COMMANDS:
        text, is_topic = _command_help(noun, verb, all_), False
    else:
        text, is_topic = _topic(noun, verb), True
    return Text([text], {"help": text}, is_markdown=is_topic)


def _topic(name: str, verb: str | None) -> str:
    """Return a topic. Raise `InvalidValue` if it does not exist, or if a verb is given."""
    topics = topic_names()
    if name not in topics:
        close = get_close_matches(name, [*NOUNS, *COMMANDS, *topics], n=3)
        hint = f"did you mean {', '.join(map(repr, close))}?" if close else "see: catactl help"
        raise InvalidValue(f"no such command or topic {name!r}", hint)
    if verb is not None:
        raise InvalidValue(f"{name} is a topic and has no verbs", f"catactl help {name}")
    return topic_text(name)


def _command_help(noun: str | None, verb: str | None, is_all: bool) -> str:
    """Return the help of a command, with `is_all` also the help of each command below it."""
    path = [word for word in (noun, verb) if word is not None]
    if len(path) == 2 and not hasattr(next(contexts(root(), path[0])).command, "list_commands"):
        raise InvalidValue(f"{path[0]} has no verbs", f"catactl help {path[0]}")
    commands = list(contexts(root(), *path))
    if is_all:
        return "\n\n\n".join(_all_help(commands))
    text: str = commands[0].get_help()
    return text if path else f"{text}\n\n{_topic_list(commands[0])}"


def _topic_list(ctx: Any) -> str:
    formatter = ctx.make_formatter()
    with formatter.section("Topics"):
        write_list(formatter, [(name, topic_summary(name)) for name in topic_names()])
    text: str = formatter.getvalue()
    return text.strip()


def _all_help(commands: list[Any]) -> Iterator[str]:
    """Yield the help of each command. The options of all commands and of all writes come once, at
    the end. A noun has only its first line, because its verbs follow.
    """
    shared: dict[str, Any] = {}
    for ctx in commands:
        formatter = ctx.make_formatter()
        ctx.command.format_usage(ctx, formatter)
        ctx.command.format_help_text(ctx, formatter)
        if isinstance(ctx.command, CatactlCommand):
            ctx.command.format_sections(ctx, formatter, "Arguments", "Options")
            for title in (WRITES_TITLE, EVERY_COMMAND_TITLE):
                if takes(ctx.command, title):
                    shared.setdefault(title, ctx)
            if takes(ctx.command, WRITES_TITLE):
                formatter.write_paragraph()
                formatter.write_text(
                    f"This command also takes the {WRITES_TITLE.lower()}; see the end."
                )
        yield formatter.getvalue().rstrip()
    for title, ctx in shared.items():
        formatter = ctx.make_formatter()
        ctx.command.format_sections(ctx, formatter, title)
        yield formatter.getvalue().strip()
