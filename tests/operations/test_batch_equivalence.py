"""A batch gives the same result as its lines one by one."""

from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from catactl.handling.handler import Handler
from catactl.operations.batch import LineOutcome
from catactl.operations.batch_lines import FailedLine
from catactl.operations.registry import OPERATIONS
from catactl.store import event_log
from catactl.store.sql.engine import reading
from catactl.store.tables import file_parts, files, job_configurations, organizations, users
from tests.operations.support import Document, apply_lines, line
from tests.support import BYTES_1, assert_consistent

_numbers = count()
_ORGS = st.sampled_from("ab")
_FILES = st.sampled_from("xy")
_JOBS = st.sampled_from("jk")
_INPUTS = st.lists(_FILES, max_size=2)
_EMAIL = st.just("u@x.org")


# The arguments of each operation, but `org.create` has no organization.
_ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "org.create": {"name": _ORGS},
    "org.rename": {"new": _ORGS},
    "org.suspend": {},
    "org.resume": {},
    "org.delete": {"confirm": _ORGS},
    "quota.set": {"size_bytes": st.sampled_from([0, 65, 1_000])},
    "quota.clear": {},
    "event.correct-clock": {},
    "user.add": {"email": _EMAIL, "if_not_exists": st.booleans()},
    "user.update": {"user": _EMAIL, "name": st.sampled_from(["U", "V"])},
    "user.disable": {"user": _EMAIL},
    "user.enable": {"user": _EMAIL},
    "user.remove": {"user": _EMAIL},
    "job.create": {"name": _JOBS, "image": st.just("i"), "inputs": _INPUTS},
    "job.update": {"job": _JOBS, "inputs": _INPUTS, "name": _JOBS},
    "job.enable": {"job": _JOBS},
    "job.disable": {"job": _JOBS},
    "job.delete": {"job": _JOBS},
    "file.create": {"name": _FILES},
    "file.complete": {"file": _FILES},
    "file.delete": {"file": _FILES},
    "file.restore": {"file": _FILES},
    "part.record": {
        "file": _FILES,
        "number": st.integers(1, 2),
        "size_bytes": st.sampled_from([0, 5, 60]),
        "sha256": st.just(BYTES_1),
    },
}
_OFTEN = ["file.create", "part.record", "file.delete", "file.restore", "job.create", "job.update"]


def _lines_of(name: str) -> st.SearchStrategy[Document]:
    org = st.none() if OPERATIONS[name].creates else _ORGS
    return st.builds(line, st.just(name), org, **_ARGUMENTS[name])


_LINES = st.sampled_from([*_ARGUMENTS, *_OFTEN * 3]).flatmap(_lines_of)


def test_every_operation_has_arguments() -> None:
    assert set(_ARGUMENTS) == set(OPERATIONS)


@settings(
    max_examples=6,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(documents=st.lists(_LINES, min_size=6, max_size=14), batch=st.sampled_from([3, 100]))
def test_a_batch_has_the_same_result_as_its_lines_one_by_one(
    engine: Engine, handler: Handler, documents: list[Document], batch: int
) -> None:
    ways: tuple[Callable[[list[Document]], list[LineOutcome]], ...] = (
        lambda own: [outcome for each in own for outcome in apply_lines(handler, [each])],
        lambda own: apply_lines(handler, own, batch=batch),
    )
    came_to = []
    for runs in ways:
        prefix = f"{next(_numbers)}-"
        beginning = [line("org.create", name=prefix + name) for name in "ab"]
        apply_lines(handler, beginning)
        outcomes = runs([_in(prefix, each) for each in documents])
        failed = [type(each.error) if isinstance(each, FailedLine) else None for each in outcomes]
        came_to.append((failed, _resources(engine, prefix)))
    assert came_to[0] == came_to[1]


def _in(prefix: str, document: Document) -> Document:
    """Return the same line for organizations with other names."""
    fields = ("org", "new", "confirm", *(("name",) if document["command"] == "org.create" else ()))
    return document | {field: prefix + document[field] for field in fields if field in document}


def _resources(engine: Engine, prefix: str) -> list[Any]:
    """Check usage, and return all resources of organizations with this prefix, without ids."""
    with reading(engine) as conn:
        named = organizations.c.name.startswith(prefix)
        rows = conn.execute(select(organizations).where(named)).all()
        found = []
        for row in rows:
            listed = [
                sorted(
                    map(tuple, conn.execute(query.where(table.c.org_id == row.org_id))), key=repr
                )
                for table, query in (
                    (files, select(files.c.name, files.c.deleted, files.c.size_bytes)),
                    (file_parts, select(file_parts.c.number, file_parts.c.size_bytes)),
                    (
                        job_configurations,
                        select(job_configurations.c.name, job_configurations.c.deleted),
                    ),
                    (users, select(users.c.email, users.c.name, users.c.disabled)),
                )
            ]
            types = [each.type for each in event_log.read_after(conn, row.org_id)]
            own = (row.name.removeprefix(prefix), row.status, row.used_bytes, row.version)
            found.append((own, listed, types))
    for row in rows:
        assert_consistent(engine, row.org_id)
    return sorted(found, key=repr)
