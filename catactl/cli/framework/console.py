"""The settings of a running command, its result on stdout, and its messages on stderr."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ParamSpec

from catactl.cli.framework.options import Options
from catactl.cli.output.render import Output
from catactl.cli.output.streams import Lasting
from catactl.cli.output.text import shown
from catactl.config.settings import OUTPUT_FORMATS, Setting, Settings, guess, load_settings
from catactl.errors import BadConfiguration, ConfirmationRequired

if TYPE_CHECKING:
    from catactl.cli.output.log import Log

P = ParamSpec("P")


class Console:
    """The settings and the output of a command.

    A command that `finishes` its work continues when the reader of its output closes it. A command
    that does not need settings prints its result even if they are invalid. One that `grows` the
    database does not use the reserve for a full disk.
    """

    def __init__(
        self, options: Options, *, finishes: bool, grows: bool, needs_settings: bool
    ) -> None:
        self.options = options
        self.until_printed = ExitStack()
        self._finishes = finishes
        self._grows = grows
        self._needs_settings = needs_settings
        self._started = time.monotonic()
        self._after_result: list[Callable[[], object]] = []

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.options.settings)

    @property
    def output_setting(self) -> Setting:
        """The output format. The default is table on a terminal, otherwise tsv."""
        default = Setting("table" if sys.stdout.isatty() else "tsv", "default")
        if self._needs_settings:
            return self.settings.output or default
        try:
            return self.settings.output or default
        except BadConfiguration:
            chosen = guess("output", self.options.settings)
            return Setting(chosen, "guess") if chosen in OUTPUT_FORMATS else default

    @cached_property
    def output(self) -> Output:
        no_color = self.options.no_color or bool(os.environ.get("NO_COLOR"))
        return Output(
            self.output_setting.value,
            quiet=self.options.quiet,
            color=sys.stdout.isatty() and not no_color,
            stream=Lasting(sys.stdout) if self._finishes else sys.stdout,  # type: ignore[arg-type]
        )

    def print(self, result: Any, returned: Any) -> None:
        """Print the result of a command, given the command's return annotation."""
        from catactl.results.schema import result_type

        try:
            if result is not None:
                self.output.print(result, result_type(returned))
        finally:
            for call in self._after_result:
                call()

    def after_result(
        self, function: Callable[P, object], *arguments: P.args, **given: P.kwargs
    ) -> None:
        """Call a function after the result was printed, or after printing it failed."""
        self._after_result.append(partial(function, *arguments, **given))

    @cached_property
    def log(self) -> "Log":
        from catactl.cli.output.log import Log

        return Log(
            json=self.settings.log_format.value == "json",
            quiet=self.options.quiet,
            verbose=self.options.verbose,
            beside_json=self.output.is_json,
        )

    def note(self, text: str) -> None:
        """Print a message on stderr; with JSON output, print nothing."""
        self.log.note(text)

    def failure(self, text: str) -> None:
        """Print on stderr the reason why one of several items failed."""
        self.log.failure(text)

    @property
    def is_interactive(self) -> bool:
        """Return whether the command can ask the user."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str, flag: str = "--yes") -> None:
        """Request a confirmation on the terminal. Raise `ConfirmationRequired` if the user refuses,
        or if there is no terminal; then the hint names the flag that confirms.
        """
        if self.options.yes or self.options.dry_run:
            return
        if not self.is_interactive:
            raise ConfirmationRequired(f"{question} needs a confirmation", f"add {flag}")
        print(f"{shown(question)}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise ConfirmationRequired("declined; nothing was changed")
