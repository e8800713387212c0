"""A write command by its name: the arguments it takes, as its function's signature says."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import UnionType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints
from uuid import UUID

from sqlalchemy import Connection

from catactl.domain.decider import Command, CommandEnvelope
from catactl.errors import InvalidValue, NotFound
from catactl.handling.unit_of_work import Intent, UnitOfWork
from catactl.queries import resources
from catactl.queries.resources import Resource
from catactl.store import name_lookup, users
from catactl.store.idempotency import Result
from catactl.values.ids import parse_id
from catactl.values.spelling import normalized
from catactl.wiring.flow import FILE, JOB_CONFIGURATION, Aggregate

Normal = Callable[[Any], Any]


def normal_name(text: str) -> str:
    """Return the canonical spelling of a name or an id."""
    id_ = parse_id(text)
    return normalized(text) if id_ is None else str(id_)


def _normal_email(text: str) -> str:
    return normal_name(text.lower())


def _normal_names(texts: list[str]) -> list[str]:
    return sorted({normal_name(text) for text in texts})


# Types of arguments whose values have several spellings. Each type carries the function that
# returns the canonical spelling, because an idempotency key compares requests.
Name = Annotated[str, normal_name]
Email = Annotated[str, _normal_email]
OptionalEmail = Annotated[str | None, _normal_email]
OptionalLabel = Annotated[str | None, normalized]
Sha256 = Annotated[str, str.lower]
# The role of a new user: to ask for the one that is given otherwise is no other request.
NewRole = Annotated[str | None, lambda role: None if role == users.DEFAULT_ROLE else role]
UserRef = Annotated[str, _normal_email]
FileRefs = Annotated[list[str], _normal_names]
# Left out of a request, because a confirmation allows the request and does not change it.
Confirmation = Annotated[str | None, lambda _: None]
# Names or ids of what lives in an organization. They are looked up together, before they are used.
FileRef = Annotated[str, FILE, normal_name]
JobRef = Annotated[str, JOB_CONFIGURATION, normal_name]


class OperationScope(NamedTuple):
    """Where a command is done: an organization, its unit of work, and on whose behalf.

    It `suggests` what a name may have meant that is not found; among many lines none does.
    """

    conn: Connection
    unit: UnitOfWork
    org_id: UUID
    org_ref: str
    intent: Intent
    suggests: bool = False

    def run(
        self,
        stream_id: UUID,
        command: Command,
        present: Callable[[UUID, UUID, Any, int], Resource],
    ) -> Result:
        """Run a command; return the resource after it, with what was done."""
        outcome = self.unit.run(CommandEnvelope(stream_id, command), self.intent)
        resource = present(outcome.org_id, outcome.stream_id, outcome.state, outcome.version)
        return resources.written(resource, outcome)

    def run_organization(self, command: Command) -> Result:
        return self.run(self.org_id, command, _present_organization)

    def file(self, reference: str) -> UUID:
        return self._find(FILE, reference, name_lookup.resolve_file)

    def job(self, reference: str) -> UUID:
        return self._find(JOB_CONFIGURATION, reference, name_lookup.resolve_job)

    def _find(
        self,
        aggregate: Aggregate,
        reference: str,
        resolve: Callable[[Connection, UUID, str], UUID],
    ) -> UUID:
        try:
            return self.unit.resolve(aggregate, reference)
        except NotFound:
            if not self.suggests:
                raise
            return resolve(self.conn, self.org_id, reference)

    def unchanged(self, resource: Resource) -> Result:
        """The result of what was there already, or of what is no event."""
        result = resource | {"position": self.unit.head.position, "events": []}
        return result | {"dry_run": True} if self.intent.dry_run else result


def _present_organization(org_id: UUID, _: UUID, state: Any, version: int) -> Resource:
    return resources.organization(org_id, state, version)


class Argument(NamedTuple):
    """`members` is the type of the members of a list or an object. `names` is the kind of thing
    that a reference names. `default` is `Parameter.empty` if there is none. `normal` returns the
    canonical spelling of a value with several spellings.
    """

    kind: type
    members: type | None
    is_required: bool
    takes_null: bool
    names: Aggregate | None
    default: Any
    normal: Normal | None

    @property
    def words(self) -> str:
        words = _WORDS[self.kind] + (" of strings" if self.members else "")
        return f"{words} or null" if self.takes_null else words

    def accepts(self, value: object) -> bool:
        if type(value) is not self.kind:
            return value is None and self.takes_null
        if self.members is None:
            return True
        members = value.values() if isinstance(value, dict) else value
        return all(type(member) is self.members for member in members)  # type: ignore[attr-defined]


_WORDS: dict[type, str] = {
    str: "a string",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, eq=False)
class Verb:
    """`creates` an organization: then a line names none. `names`: names of organizations change.
    `is_versioned`: a line may say at what version it saw the stream that changes.
    """

    name: str
    do: Callable[..., Result]
    creates: bool
    names: bool
    is_versioned: bool
    fields: Mapping[str, Any]

    @cached_property
    def arguments(self) -> Mapping[str, Argument]:
        """What it takes, as the signature of its function says."""
        hints = get_type_hints(self.do, include_extras=True)
        parameters = list(inspect.signature(self.do).parameters.values())[1:]
        required_or_not = {
            each.name: _argument(
                hints[each.name], is_required=each.default is each.empty, default=each.default
            )
            for each in parameters
            if each.kind is each.KEYWORD_ONLY
        }
        return required_or_not | {
            name: _argument(hint, is_required=False) for name, hint in self.fields.items()
        }

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise `InvalidValue` that names the argument that is unknown, missing or of another
        type.
        """
        arguments = self.arguments
        for name, value in given.items():
            argument = arguments.get(name)
            if argument is None:
                close = get_close_matches(name, arguments, n=1)
                known = ", ".join(arguments) or "none"
                raise InvalidValue(
                    f"{self.name} has no argument {name!r}",
                    f"did you mean {close[0]!r}?" if close else f"its arguments: {known}",
                )
            if not argument.accepts(value):
                raise InvalidValue(f"{name!r} is not {argument.words}")
        if len(given) < len(arguments):
            for name, argument in arguments.items():
                if argument.is_required and name not in given:
                    raise InvalidValue(f"{self.name} needs {name!r}, {argument.words}")

    def request(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the request under an idempotency key for these arguments.

        Arguments at their defaults are left out, so that a new argument does not change the
        requests of stored keys. Storage format: see `store/idempotency.py`.
        """
        request: dict[str, Any] = {"command": self.name}
        for name, value in given.items():
            argument = self.arguments[name]
            if argument.normal is not None and value is not None:
                value = argument.normal(value)
            if value != argument.default:
                request[name] = value
        return request

    def references(self, given: Mapping[str, Any]) -> list[tuple[Aggregate, str]]:
        """Return what is to be looked up for the arguments: names, and of what kind."""
        return [(kind, given[name]) for name, kind in self._references if name in given]

    @cached_property
    def _references(self) -> list[tuple[str, Aggregate]]:
        arguments = self.arguments.items()
        return [(name, each.names) for name, each in arguments if each.names is not None]


VERBS: dict[str, Verb] = {}


def verb(
    name: str,
    *,
    creates: bool = False,
    names: bool = False,
    is_versioned: bool = True,
    fields: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function `(place, …)` as what does a command. `fields` are the arguments that it
    takes as keywords, with their types; none of them is required.
    """

    def register(do: Callable[..., Result]) -> Callable[..., Result]:
        VERBS[name] = Verb(
            name, do, creates, names or creates, is_versioned and not creates, fields or {}
        )
        return do

    return register


def _argument(hint: Any, *, is_required: bool, default: Any = inspect.Parameter.empty) -> Argument:
    hint, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    normal = next((note for note in notes if not isinstance(note, Aggregate)), None)
    takes_null = isinstance(hint, UnionType)
    if takes_null:
        (hint,) = (arm for arm in get_args(hint) if arm is not type(None))
    container = get_origin(hint)
    return Argument(
        kind=container or hint,
        members=get_args(hint)[-1] if container is not None else None,
        is_required=is_required,
        takes_null=takes_null,
        names=next((note for note in notes if isinstance(note, Aggregate)), None),
        default=default,
        normal=normal,
    )
