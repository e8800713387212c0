"""What is said on stderr beside the result: each line passes here, masked, as text or as JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from catactl.cli.output.render import as_json, complain
from catactl.cli.output.text import shown
from catactl.config.masking import mask


@dataclass(frozen=True)
class Log:
    """Lines of text as people read them, or an object each: `time`, `level`, `message`, and fields
    of its own.

    Who reads the result as JSON gets none, unless `verbose` asks for them as JSON.
    """

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    beside_json: bool = False

    def note(self, message: str, **fields: Any) -> None:
        """What is good to know, and progress."""
        self._say("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """What was asked for and is not quite what happens."""
        self._say("warning", message, fields)

    def detail(self, message: str, **fields: Any) -> None:
        """What was used and done, for those who ask with --verbose."""
        if self.verbose:
            self._say("debug", message, fields)

    def failure(self, message: str, **fields: Any) -> None:
        """What went wrong with one of several: said also when quiet."""
        if self._is_heard:
            self._line("error", message, fields)

    def error(self, error: Mapping[str, Any]) -> None:
        """What the command ends with, which everybody is told."""
        hint = error["hint"] and mask(error["hint"])
        error = {**error, "message": mask(error["message"]), "hint": hint}
        if self.json:
            self._line("error", error["message"], {"error": error})
        elif self.beside_json:
            complain(as_json({"error": error}))
        else:
            complain(f"catactl: error: {shown(error['message'])}")
            if error["hint"]:
                complain(f"hint: {shown(error['hint'])}")

    @property
    def _is_heard(self) -> bool:
        return not self.beside_json or (self.json and self.verbose)

    def _say(self, level: str, message: str, fields: dict[str, Any]) -> None:
        if self._is_heard and not self.quiet:
            self._line(level, message, fields)

    def _line(self, level: str, message: str, fields: dict[str, Any]) -> None:
        message = mask(message)
        if self.json:
            now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
            line: dict[str, Any] = {"time": now, "level": level, "message": message}
            complain(as_json(line | fields))
        else:
            complain(f"catactl: {'error: ' if level == 'error' else ''}{shown(message)}")
