"""What a running command has at hand: settings, output, the database, and how to write to it."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from catactl.cli.output import Lasting, Output, complain, shown
from catactl.errors import BadConfiguration, ConfirmationRequired, InvalidValue
from catactl.settings import Settings, default_database_path, load_settings, mask

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from catactl.as_of import Point
    from catactl.blobs.store import BlobStore
    from catactl.domain.decider import Addressed, Command
    from catactl.handler import Handler, Intent, Outcome

_MAX_LOCK_TIMEOUT_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Common:
    """The options every command takes, and after them those every write takes, as they were
    given.
    """

    database_url: str | None = None
    database_url_file: str | None = None
    blob_url: str | None = None
    profile: str | None = None
    output: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    lock_timeout: float | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    actor: str | None = None
    reason: str | None = None
    expected_version: int | None = None
    yes: bool = False


class Run:
    """One command under way. `request` is what an idempotency key stands for: command and
    arguments. One that `finishes` does its work to the end, also when nobody reads its output.
    """

    def __init__(
        self, common: Common, request: Mapping[str, Any], *, finishes: bool = False
    ) -> None:
        self.common = common
        self._request = request
        self._finishes = finishes

    @cached_property
    def settings(self) -> Settings:
        given = self.common
        return load_settings(
            {
                "database_url": given.database_url,
                "database_url_file": given.database_url_file,
                "blob_url": given.blob_url,
                "profile": given.profile,
                "output": "json" if given.json else given.output,
                "actor": given.actor,
                "lock_timeout": None if given.lock_timeout is None else str(given.lock_timeout),
            }
        )

    @cached_property
    def output(self) -> Output:
        chosen = self.settings.output
        return self.output_as(chosen.value if chosen is not None else None)

    def output_as(self, format_: str | None) -> Output:
        """The output in a format, or in the usual one, also when settings cannot be read."""
        terminal = sys.stdout.isatty()
        return Output(
            format_ or ("table" if terminal else "tsv"),
            quiet=self.common.quiet,
            color=terminal and not self.common.no_color and not os.environ.get("NO_COLOR"),
            stream=Lasting(sys.stdout) if self._finishes else sys.stdout,  # type: ignore[arg-type]
        )

    @property
    def line_output(self) -> Output:
        """For results as they come: JSON, one a line, unless another format is asked for."""
        chosen = self.settings.output
        is_asked_for = chosen is not None and chosen.value != "table"
        return self.output if is_asked_for else self.output.as_json_lines()

    # --- the database -----------------------------------------------------------------------------

    def open(self) -> "Engine":
        """Open the configured database without looking at its schema."""
        from catactl.store.engine import DEFAULT_LOCK_TIMEOUT_SECONDS, open_engine, parse_url

        setting = self.settings.database_url
        url = parse_url(setting.value)
        if setting.origin == "default":
            default_database_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        seconds = self.lock_timeout_seconds()
        return open_engine(
            url,
            lock_timeout_seconds=DEFAULT_LOCK_TIMEOUT_SECONDS if seconds is None else seconds,
        )

    @cached_property
    def engine(self) -> "Engine":
        """The configured database, at the schema this version works with."""
        from catactl.store import schema

        url = self.settings.database_url
        engine = self.open()
        self._detail(f"database {mask(url.value)} ({url.origin})")
        schema.ensure(engine)
        return engine

    @cached_property
    def blob_url(self) -> str:
        """Where content is kept: as configured, else beside a SQLite database."""
        from catactl.blobs.opening import url_beside

        setting = self.settings.blob_url
        url = self.engine.url
        if setting is not None:
            origin, blob_url = setting.origin, setting.value
        elif url.get_backend_name() == "sqlite" and os.path.isfile(url.database or ""):
            origin, blob_url = "beside the database", url_beside(url.database or "")
        else:
            raise BadConfiguration(
                "no place for content is configured",
                "CATACTL_BLOB_URL=file:///srv/catactl/blobs, or s3://bucket/prefix",
            )
        self._detail(f"content {mask(blob_url)} ({origin})")
        return blob_url

    @cached_property
    def blobs(self) -> "BlobStore":
        from catactl.blobs.opening import open_blobs

        return open_blobs(self.blob_url)

    @property
    def past(self) -> "ModuleType":
        """What tells of the past: loaded only when somebody asks, as it knows the whole domain."""
        from catactl import as_of

        return as_of

    def point(self, as_of: str | None, at_version: int | None = None) -> "Point | None":
        """Return the point in the past that options name; None for the present."""
        if as_of is None and at_version is None:
            return None
        from catactl.domain.times import parse_time

        now = datetime.now(UTC)
        moment = parse_time(as_of, now) if as_of is not None else None
        point: Point = self.past.point(moment, at_version, now)
        return point

    @contextmanager
    def reading(self) -> "Iterator[Connection]":
        from catactl.store.engine import reading

        with reading(self.engine) as conn:
            yield conn

    def lock_timeout_seconds(self) -> float | None:
        """How long to wait for a lock, None if nothing is said of it."""
        setting = self.settings.lock_timeout
        if setting is None:
            return None
        try:
            seconds = float(setting.value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= _MAX_LOCK_TIMEOUT_SECONDS:
            error = InvalidValue if setting.origin.startswith("--") else BadConfiguration
            raise error(
                f"{setting.origin}: {setting.value!r} is not a number of seconds from 0 to 86400"
            )
        return seconds

    # --- writing ----------------------------------------------------------------------------------

    @cached_property
    def handler(self) -> "Handler":
        from catactl.handler import Handler

        return Handler(self.engine)

    def intent(self, org_ref: str, *, key_suffix: str = "") -> "Intent":
        """Who, why and how, from the options. `key_suffix` tells apart several writes of one
        command.
        """
        from catactl.handler import Intent

        given = self.common
        key = given.idempotency_key
        if key is not None:
            if not key:
                raise InvalidValue("the idempotency key is empty")
            key += key_suffix
        return Intent(
            actor=self.settings.actor.value,
            reason=given.reason,
            expected_version=given.expected_version,
            dry_run=given.dry_run,
            idempotency_key=key,
            org_ref=org_ref,
            request=self._request,
        )

    def organization_id(self, org_ref: str) -> UUID:
        """Find an organization by name or id; by the idempotency key when its name is no more."""
        from catactl.errors import NotFound
        from catactl.store import directory

        with self.reading() as conn:
            try:
                return directory.resolve_organization(conn, org_ref)
            except NotFound:
                key = self.common.idempotency_key
                known = key and directory.find_organization_by_key(conn, org_ref, key)
                if not known:
                    raise
                return known

    def write(
        self,
        org_ref: str,
        command: "Command | Callable[[Connection, UUID], Addressed]",
        present: "Callable[[Outcome], dict[str, Any]]",
        *,
        key_suffix: str = "",
    ) -> dict[str, Any]:
        """Run a command in an organization; return the resource after it with what was done."""
        org_id = self.organization_id(org_ref)
        target: Any = command
        if callable(command):
            resolve = command

            def target(conn: "Connection") -> "Addressed":
                return resolve(conn, org_id)

        intent = self.intent(org_ref, key_suffix=key_suffix)
        started = time.monotonic()
        result = self.handler.handle(org_id, target, intent, lambda outcome: done(outcome, present))
        milliseconds = (time.monotonic() - started) * 1000
        happened = ", ".join(result["events"]) or "nothing"
        self._detail(f"{happened}, at position {result['position']}, in {milliseconds:.1f} ms")
        return result

    # --- talking to people ------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Say something on stderr, beside the result; to programs that read JSON nothing."""
        if not self.common.quiet and not self.output.is_json:
            complain(f"catactl: {shown(text)}")

    def failure(self, text: str) -> None:
        """Say what went wrong with one of several; whoever reads JSON has it in the result."""
        if not self.output.is_json:
            complain(f"catactl: error: {shown(text)}")

    def _detail(self, text: str) -> None:
        """Say on stderr what was used and done, if --verbose asks for it."""
        if self.common.verbose:
            self.note(text)

    @property
    def is_interactive(self) -> bool:
        """Whether there is somebody to ask."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str, flag: str = "--yes") -> None:
        """Ask on a terminal; off it, or when declined, raise `ConfirmationRequired` naming the
        flag.
        """
        if self.common.yes or self.common.dry_run:
            return
        if not self.is_interactive:
            raise ConfirmationRequired(f"{question} needs a confirmation", f"add {flag}")
        print(f"{shown(question)}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise ConfirmationRequired("declined; nothing was changed")


def done(outcome: "Outcome", present: "Callable[[Outcome], dict[str, Any]]") -> dict[str, Any]:
    """The resource after a write, its position in the log, and the names of what happened."""
    result = present(outcome) | {
        "position": outcome.position,
        "events": [recorded.type for recorded in outcome.events],
    }
    return result | {"dry_run": True} if outcome.dry_run else result
