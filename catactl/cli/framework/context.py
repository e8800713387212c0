"""What a running command has: its options, settings, output, database, and a way to write to it."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from catactl.cli.framework.options import Options
from catactl.cli.output.log import Log
from catactl.cli.output.render import Lasting, Output
from catactl.cli.output.text import shown
from catactl.config.paths import default_database_path
from catactl.config.settings import (
    OUTPUT_FORMATS,
    Setting,
    Settings,
    guess,
    load_settings,
)
from catactl.errors import (
    AlreadyExists,
    BadConfiguration,
    ConfirmationRequired,
    InvalidValue,
)
from catactl.values.durations import parse_lock_timeout

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from catactl.blobs.store import BlobStore
    from catactl.cli.output.verbose import VerboseLog
    from catactl.handling.handler import Handler
    from catactl.handling.intent import Intent
    from catactl.operations.operation import Operation
    from catactl.queries.as_of import Point
    from catactl.store.reserve import Reserve

P = ParamSpec("P")
R = TypeVar("R", bound=Mapping[str, object])

_BESIDE = "beside the database"


class Context:
    """A running command.

    One that `finishes` its work goes on when nobody reads its output. One that `grows` the database
    does not use the reserve. One that does not need settings prints its result without them.
    """

    def __init__(
        self,
        options: Options,
        *,
        finishes: bool = False,
        grows: bool = False,
        needs_settings: bool = True,
    ) -> None:
        self.options = options
        self._finishes = finishes
        self._grows = grows
        self._needs_settings = needs_settings
        self._started = time.monotonic()
        self.until_printed = ExitStack()

    # --- settings and output ----------------------------------------------------------------------

    @cached_property
    def settings(self) -> Settings:
        return load_settings(self.options.settings)

    @property
    def output_setting(self) -> Setting:
        """The output format; by default a table on a terminal, else tsv."""
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

        if result is not None:
            self.output.print(result, result_type(returned))

    @cached_property
    def log(self) -> Log:
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
        """Print on stderr why one of several things failed; JSON output has it in the result."""
        self.log.failure(text)

    @property
    def is_interactive(self) -> bool:
        """Return whether the command can ask the user."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def confirm(self, question: str, flag: str = "--yes") -> None:
        """Ask on a terminal; off it, or when declined, raise `ConfirmationRequired` naming the
        flag.
        """
        if self.options.yes or self.options.dry_run:
            return
        if not self.is_interactive:
            raise ConfirmationRequired(f"{question} needs a confirmation", f"add {flag}")
        print(f"{shown(question)}? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise ConfirmationRequired("declined; nothing was changed")

    # --- the database -----------------------------------------------------------------------------

    @cached_property
    def database(self) -> "Engine":
        """The configured database. Its schema may be any: see `engine`."""
        from catactl.store.sql.engine import open_engine
        from catactl.store.sql.urls import parse_url

        setting = self.settings.database_url
        url = parse_url(setting.value)
        if self.settings.overridden is not None:
            self.log.warning(self.settings.overridden)
        self.log.detail(f"database {setting.value} ({setting.origin})")
        if setting.origin == "default":
            _make_folder(default_database_path().parent)
        seconds = parse_lock_timeout(self.lock_timeout_setting.value)
        reserve = None if self._grows else self._reserve
        engine = open_engine(url, lock_timeout_seconds=seconds, reserve=reserve)
        if self.options.verbose:
            from catactl.store.sql.tracing import trace

            trace(engine, self._verbose_log.on_statements)
        return engine

    @cached_property
    def engine(self) -> "Engine":
        """The configured database, at the schema that this version works with."""
        from catactl.store import migrations

        migrations.ensure(self.database)
        return self.database

    @contextmanager
    def reading(self) -> "Iterator[Connection]":
        from catactl.store.sql.engine import reading

        with reading(self.engine) as conn:
            yield conn

    @cached_property
    def snapshot(self) -> "Connection":
        """A connection for reading that stays open until the result is printed, for results that
        are read while they are printed.
        """
        return self.until_printed.enter_context(self.reading())

    @cached_property
    def _verbose_log(self) -> "VerboseLog":
        from catactl.cli.output.verbose import VerboseLog

        return VerboseLog(self.log)

    @property
    def lock_timeout_setting(self) -> Setting:
        """The maximum wait for a lock, in seconds."""
        from catactl.store.sql.engine import DEFAULT_LOCK_TIMEOUT_SECONDS

        default = Setting(f"{DEFAULT_LOCK_TIMEOUT_SECONDS:g}", "default")
        return self.settings.lock_timeout or default

    @cached_property
    def _reserve(self) -> "Reserve | None":
        """Return the reserve of a SQLite database; None for a server, or a database that cannot be
        written.
        """
        from catactl.store.reserve import Reserve
        from catactl.store.sql.urls import file_of, is_read_only, parse_url

        url = parse_url(self.settings.database_url.value)
        path = file_of(url)
        return Reserve(path) if path is not None and not is_read_only(url) else None

    def keep_reserve(self) -> None:
        """Make the reserve, so that other commands can delete when the disk is full."""
        if self._reserve is not None:
            self._reserve.make()

    def finish(self) -> None:
        """End the command: make the reserve again if it was released, and print how long the
        command took if the user asked for that.
        """
        reserve: Reserve | None = self.__dict__.get("_reserve")
        if reserve is not None and reserve.released_bytes and "database" in self.__dict__:
            self.database.dispose()  # because SQLite then removes its log, which frees room
            reserve.make_again()
        if "_verbose_log" in self.__dict__:
            self._verbose_log.finish((time.monotonic() - self._started) * 1000)

    def now(self) -> datetime:
        """Return the time of the clock that dates events, because a client of PostgreSQL may have
        another clock.
        """
        from catactl.store import clock

        with self.reading() as conn:
            return clock.now(conn)

    def point(self, as_of: str | None, at_version: int | None = None) -> "Point | None":
        """Return the point in the past that options name; None for the present."""
        if as_of is None and at_version is None:
            return None
        from catactl.queries.as_of import point
        from catactl.values.times import parse_time

        now = self.now()
        moment = parse_time(as_of, now) if as_of is not None else None
        return point(moment, at_version, now)

    # --- content ----------------------------------------------------------------------------------

    @cached_property
    def blobs(self) -> "BlobStore":
        from catactl.blobs.opening import open_blobs

        return open_blobs(self.blob_url, is_private=self.is_content_beside)

    @cached_property
    def blob_url(self) -> str:
        """Where content is kept: as configured, else beside a SQLite database."""
        from catactl.store.sql.urls import file_of

        engine = self.engine
        setting = self.blob_url_setting
        if setting is None or (
            self.is_content_beside and not os.path.isfile(file_of(engine.url) or "")
        ):
            raise BadConfiguration(
                "no place for content is configured",
                "set CATACTL_BLOB_URL, as in file:///srv/catactl/blobs; see: catactl help content",
            )
        self.log.detail(f"content {setting.value} ({setting.origin})")
        return setting.value

    @property
    def is_content_beside(self) -> bool:
        """Return whether content is kept beside a SQLite database, because no other place is
        configured.

        Like the database it is then private to its owner.
        """
        setting = self.blob_url_setting
        return setting is not None and setting.origin == _BESIDE

    @property
    def blob_url_setting(self) -> Setting | None:
        """Where content is, or would be; nothing is opened to find out."""
        from catactl.blobs.opening import url_beside
        from catactl.store.sql.urls import file_of, parse_url

        if self.settings.blob_url is not None:
            return self.settings.blob_url
        path = file_of(parse_url(self.settings.database_url.value))
        return Setting(url_beside(path), _BESIDE) if path is not None else None

    # --- writing ----------------------------------------------------------------------------------

    @cached_property
    def handler(self) -> "Handler":
        from catactl.handling.handler import Handler

        on_commit = self._verbose_log.on_commit if self.options.verbose else None
        return Handler(self.database, on_commit=on_commit)

    def write(
        self,
        operation: "Operation[P, R]",
        org_ref: str,
        /,
        *arguments: P.args,
        **given: P.kwargs,
    ) -> R:
        """Run an operation in an organization; return its result."""
        from catactl.values.ids import id_to_create

        intent = self.intent(org_ref, lambda: operation.request(given))
        org_id = None
        if operation.creates:
            org_id = id_to_create(intent.idempotency_key, datetime.now(UTC))
        try:
            return self.handler.execute(operation.run, intent, org_id, *arguments, **given)
        except AlreadyExists:
            if not given.get("if_not_exists"):
                raise
            # Another process took the name just now. The second attempt compares what it created.
            return self.handler.execute(operation.run, intent, org_id, *arguments, **given)

    def intent(
        self,
        org_ref: str,
        request: Callable[[], Mapping[str, Any]] | None = None,
        *,
        key_suffix: str = "",
    ) -> "Intent":
        """Return the intent that the options describe: who wants a change, why and how. `request`
        returns the request under an idempotency key. `key_suffix` distinguishes the writes of one
        command.
        """
        from catactl.handling.intent import Intent

        options = self.options
        key = options.idempotency_key
        if key is not None:
            if not key:
                raise InvalidValue("the idempotency key is empty")
            key += key_suffix
        return Intent(
            actor=self.settings.actor.value,
            reason=options.reason,
            expected_version=options.expected_version,
            dry_run=options.dry_run,
            idempotency_key=key,
            org_ref=org_ref,
            request=request() if key is not None and request is not None else None,
        )

    def organization_id(self, intent: "Intent", *, is_read: bool = True) -> UUID:
        """Return the organization that an intent names; see `transaction.find_organization`."""
        from catactl.handling.transaction import find_organization

        with self.reading() as conn:
            return find_organization(conn, intent, is_read=is_read)

    def claim_key(self, org_ref: str, request: Mapping[str, Any]) -> UUID:
        """Store the request of a command with several writes under its idempotency key, if it has a
        key; return its organization. Each write has a key of its own.

        Raises `IdempotencyConflict` if the key was used for another request.
        """
        intent = self.intent(org_ref, lambda: request)
        org_id = self.organization_id(intent)
        if intent.idempotency_key is not None:
            self.handler.transact(org_id, intent, lambda _conn, _unit: {})
        return org_id


def key_suffix(name: str) -> str:
    """Return the suffix that makes the idempotency key of one file from the key of a command."""
    import hashlib

    return f"/{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def _make_folder(folder: "Path") -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadConfiguration(
            f"cannot make the folder {folder} for the database: {error.strerror}",
            "name a database: --database-url URL",
        ) from error
