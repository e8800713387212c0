"""The intent of a write: actor, reason, and options."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from catactl.store.idempotency import Request
from catactl.values.spelling import normalized


@dataclass(frozen=True)
class Intent:
    """The actor of a change, the reason for it, and its options.

    `org_ref` is the organization as the caller named it. `request` is the request under the
    idempotency key: the command with its parsed arguments, as JSON types.
    """

    actor: str
    reason: str | None = None
    expected_version: int | None = None
    dry_run: bool = False
    idempotency_key: str | None = None
    org_ref: str = ""
    request: Mapping[str, Any] | None = None

    def as_dry_run(self) -> "Intent":
        """Return the same intent as a dry run."""
        return replace(self, dry_run=True)

    def unkeyed(self) -> "Intent":
        """Return the same intent without its key, for one of several transactions of a command."""
        return replace(self, idempotency_key=None)

    @property
    def keyed_request(self) -> Request | None:
        """The request under the idempotency key; None without a key."""
        if self.idempotency_key is None:
            return None
        return Request(self.idempotency_key, normalized(self.org_ref), self.request)
