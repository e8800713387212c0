"""Results about users."""

from typing import TypedDict

from catactl.results.result import Time, Uuid, Written, columns, columns_like


@columns("user_id email name role status created_at")
class UserResult(TypedDict):
    org_id: Uuid
    user_id: Uuid
    email: str
    name: str | None
    role: str
    status: str
    created_at: Time
    version: int


@columns_like(UserResult)
class UserWritten(UserResult, Written):
    """A user after a write. A write of a user adds no events."""
