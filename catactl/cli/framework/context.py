"""The context of a running command: options, settings, output, database, and writes to it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from catactl.cli.framework.storage import Storage
from catactl.errors import AlreadyExists, InvalidValue

if TYPE_CHECKING:
    from catactl.handling.handler import Handler
    from catactl.handling.intent import Intent
    from catactl.operations.operation import Operation
    from catactl.queries.as_of import Point

P = ParamSpec("P")
R = TypeVar("R", bound=Mapping[str, object])


class Context(Storage):
    """A running command: it reads and writes on behalf of the user who gave the options."""

    def point(self, as_of: str | None, at_version: int | None = None) -> "Point | None":
        """Return the point in the past that options name; None for the present."""
        if as_of is None and at_version is None:
            return None
        from catactl.queries.as_of import point
        from catactl.values.times import parse_time

        now = self.now()
        moment = parse_time(as_of, now) if as_of is not None else None
        return point(moment, at_version, now)

    @cached_property
    def handler(self) -> "Handler":
        from catactl.handling.handler import Handler

        on_commit = self._verbose_log.on_commit if self.options.verbose else None
        return Handler(self.database, on_commit=on_commit)

    def write(
        self, operation: "Operation[P, R]", org_ref: str, /, *arguments: P.args, **given: P.kwargs
    ) -> R:
        """Run an operation in an organization; return its result."""
        from catactl.values.ids import id_to_create

        operation.check_change(given)
        intent = self.intent(org_ref, lambda: operation.request(given))
        org_id = None
        if operation.creates:
            org_id = id_to_create(intent.idempotency_key, datetime.now(UTC))
        try:
            return self.handler.execute(operation.run, intent, org_id, *arguments, **given)
        except AlreadyExists:
            if not given.get("if_not_exists"):
                raise
            # Another process took the name just now. Try again, to compare its item with this one.
            return self.handler.execute(operation.run, intent, org_id, *arguments, **given)

    def intent(
        self,
        org_ref: str,
        request: Callable[[], Mapping[str, Any]] | None = None,
        *,
        key_suffix: str = "",
    ) -> "Intent":
        """Return the intent that the options describe. `request` returns the request under an
        idempotency key. `key_suffix` distinguishes the writes of one command.
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
