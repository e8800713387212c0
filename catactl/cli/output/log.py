"""Print messages on stderr, without passwords, as text or as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catactl.cli.output.render import as_json
from catactl.cli.output.streams import complain
from catactl.cli.output.text import shown
from catactl.config.masking import mask


@dataclass(frozen=True)
class Log:
    """Prints each message as a line of text, or as a JSON object with `time`, `level`, `message`
    and the fields of the message.

    `beside_json` means that the result is JSON. Then the log prints only the error that ends the
    command, unless both `json` and `verbose` are set.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    beside_json: bool = False

    def note(self, message: str, **fields: Any) -> None:
        """Print a note or progress."""
        self._print_unless_quiet("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Print a warning."""
        self._print_unless_quiet("warning", message, fields)

    def detail(self, message: str, **fields: Any) -> None:
        """Print a detail if --verbose is given."""
        if self.verbose:
            self._print_unless_quiet("debug", message, fields)

    def failure(self, message: str, **fields: Any) -> None:
        """Print the reason why one of several items failed, even with --quiet."""
        if self._prints_messages:
            self._print("error", message, fields)

    def error(self, error: Mapping[str, Any]) -> None:
        """Print the error that ends the command, with all options."""
        hint = error["hint"] and mask(error["hint"])
        error = {**error, "message": mask(error["message"]), "hint": hint}
        if self.json:
            self._print("error", error["message"], {"error": error})
        elif self.beside_json:
            complain(as_json({"error": error}))
        else:
            complain(f"catactl: error: {shown(error['message'])}")
            if error["hint"]:
                complain(f"hint: {shown(error['hint'])}")

    @property
    def _prints_messages(self) -> bool:
        return not self.beside_json or (self.json and self.verbose)

    def _print_unless_quiet(self, level: str, message: str, fields: dict[str, Any]) -> None:
        if self._prints_messages and not self.quiet:
            self._print(level, message, fields)

    def _print(self, level: str, message: str, fields: dict[str, Any]) -> None:
        message = mask(message)
        if self.json:
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            line: dict[str, Any] = {"time": now, "level": level, "message": message}
            complain(as_json(line | fields))
        else:
            complain(f"catactl: {'error: ' if level == 'error' else ''}{shown(message)}")
