"""Types of arguments of operations.

A value with several spellings has one canonical spelling, because an idempotency key compares
requests: `Annotated[str, f]` carries the function that returns it. A name of a file or a job
carries its aggregate as well: `apply` looks up all such names of a batch at once.
"""

from typing import Annotated

from catactl.store import users
from catactl.values.ids import parse_id
from catactl.values.spelling import normalized
from catactl.wiring.flow import FILE, JOB_CONFIGURATION


def canonical_name(text: str) -> str:
    """Return the canonical spelling of a name or an id."""
    id_ = parse_id(text)
    return normalized(text) if id_ is None else str(id_)


def _canonical_email(text: str) -> str:
    return canonical_name(text.lower())


def _canonical_names(texts: list[str]) -> list[str]:
    return sorted({canonical_name(text) for text in texts})


Name = Annotated[str, canonical_name]
Email = Annotated[str, _canonical_email]
OptionalEmail = Annotated[str | None, _canonical_email]
OptionalLabel = Annotated[str | None, normalized]
Sha256 = Annotated[str, str.lower]
# The default role, given or not, is the same request.
NewRole = Annotated[str | None, lambda role: None if role == users.DEFAULT_ROLE else role]
UserRef = Annotated[str, _canonical_email]
FileRefs = Annotated[list[str], _canonical_names]
# Not part of a request, because a confirmation allows the request and does not change it.
Confirmation = Annotated[str | None, lambda _: None]
FileRef = Annotated[str, FILE, canonical_name]
JobRef = Annotated[str, JOB_CONFIGURATION, canonical_name]
