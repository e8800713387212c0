"""Declare a command: a typed function in a module whose path is the command line.

The function's parameters after the first are arguments and options of its own, its docstring is the
help text, and its return type is the result: JSON, columns and schema follow from it. Annotations
are read at run time, so command modules import the types of their annotations.
"""

import importlib
import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, TypeVar, get_type_hints

from typer.models import CommandInfo

from catactl.cli.framework.context import Context
from catactl.cli.framework.help_format import CatactlCommand
from catactl.cli.framework.options import CONTENT, EVERY_COMMAND, WRITES, OptionGroup, Options
from catactl.cli.output.streams import ReaderGone

__all__ = ["Context", "Declaration", "command", "declaration"]  # a command module needs `Context`

F = TypeVar("F", bound=Callable[..., Any])
_ROOM = "catactl.cli.commands"
_declared: dict[str, "Declaration"] = {}


@dataclass(frozen=True, eq=False)
class Declaration:
    """A command's function, with the groups of options that it takes.

    A command that `grows` the database or its content does not use the reserve for a full disk.
    """

    function: Callable[..., Any]
    groups: tuple[OptionGroup, ...]
    grows: bool
    needs_settings: bool

    @cached_property
    def hints(self) -> dict[str, Any]:
        return get_type_hints(self.function, include_extras=True)

    @property
    def returned(self) -> Any:
        """The return annotation of the function."""
        return self.hints["return"]

    def as_typer(self, name: str) -> CommandInfo:
        """Return the command for Typer: a callback with all options as parameters."""
        options = reduce(operator.or_, self.groups, EVERY_COMMAND)
        own = [
            parameter.replace(annotation=self.hints[name], kind=parameter.KEYWORD_ONLY)
            for name, parameter in list(inspect.signature(self.function).parameters.items())[1:]
        ]
        shared = [
            inspect.Parameter(
                option,
                inspect.Parameter.KEYWORD_ONLY,
                default=getattr(Options, option),
                annotation=annotation,
            )
            for option, annotation in options.items()
        ]

        def callback(**given: Any) -> None:
            context = Context(
                Options(**{option: given.pop(option) for option in options}),
                finishes=WRITES in self.groups or CONTENT in self.groups,
                grows=self.grows,
                needs_settings=self.needs_settings,
            )
            try:
                with context.until_printed:
                    context.print(self.function(context, **given), self.returned)
            except BrokenPipeError as error:
                raise ReaderGone from error
            finally:
                context.finish()

        callback.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        callback.__annotations__ = {each.name: each.annotation for each in (*own, *shared)}
        callback.__doc__ = self.function.__doc__
        return CommandInfo(name=name, cls=CatactlCommand, callback=callback)


def command(
    *groups: OptionGroup, grows: bool = False, needs_settings: bool = True
) -> Callable[[F], F]:
    """Declare a function `(context, …)` as the command of its module; see `Declaration`."""

    def declare(function: F) -> F:
        _declared[function.__module__] = Declaration(function, groups, grows, needs_settings)
        return function

    return declare


def declaration(*path: str) -> Declaration:
    """Import the module of a command, given the words of its command line, and return it."""
    module = ".".join((_ROOM, *(word.replace("-", "_") for word in path)))
    importlib.import_module(module)
    return _declared[module]
