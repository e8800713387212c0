"""All lines in one transaction, or none."""

import pytest
from sqlalchemy import Engine

from catactl.errors import AlreadyExists
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.operations.batch import StoppedAt
from tests.operations.support import (
    Document,
    apply_lines,
    apply_lines_at_once,
    assert_all_consistent,
    errors_of,
    line,
    org_id_of,
    part_line,
    results_of,
)
from tests.support import Usage, assert_consistent, contents, read_log


def test_the_first_failure_undoes_all_of_an_atomic_run(engine: Engine, two: Handler) -> None:
    before = contents(engine)
    documents = [
        line("file.create", "a", name="x", key="1"),
        line("org.create", name="c"),
        line("user.add", "b", email="u@x.org"),
        part_line("a", "x", 1, 7),
        line("org.rename", "b", new="d"),
        line("file.create", "c", name="x"),
        line("file.create", "a", name="x"),
        line("file.create", "nobody", name="x"),
    ]
    for batch in (2, 1_000):
        with pytest.raises(StoppedAt) as stopped:
            apply_lines_at_once(two, documents, batch=batch)
        assert stopped.value.failed.number == 7
        assert isinstance(stopped.value.failed.error, AlreadyExists)
        assert contents(engine) == before
    # The cache contains no state that was never committed.
    assert not errors_of(apply_lines(two, documents[:6]))
    assert assert_consistent(engine, org_id_of(engine, "a")) == Usage(7, 1, 1)
    assert_all_consistent(engine)


def test_an_atomic_run_writes_in_steps_with_the_same_result(engine: Engine, two: Handler) -> None:
    def documents(org: str) -> list[Document]:
        return [
            line("file.create", org, name="x"),
            *(part_line(org, "x", number, number * 10) for number in (1, 2, 3)),
            line("file.delete", org, file="x"),
            line("file.create", org, name="x"),
            part_line(org, "x", 1, 5),
            line("file.delete", org, file="x"),
            line("file.restore", org, file="x"),
            part_line(org, "x", 2, 6),
        ]

    stepwise = apply_lines_at_once(two, documents("a"), batch=2)
    at_once = apply_lines_at_once(two, documents("b"))
    assert not errors_of([*stepwise, *at_once])
    a, b = org_id_of(engine, "a"), org_id_of(engine, "b")
    assert assert_consistent(engine, a) == assert_consistent(engine, b) == Usage(11, 1, 2)
    types = [[each.type for each in read_log(engine, org_id)] for org_id in (a, b)]
    assert types[0] == types[1]


def test_a_dry_run_continues_after_failures_and_writes_nothing(
    engine: Engine, two: Handler
) -> None:
    before = contents(engine)
    documents = [
        line("org.create", name="c", key="1"),
        line("file.create", "c", name="x", key="2"),
        line("file.create", "c", name="x"),
        part_line("c", "x", 1, 5),
        line("file.create", "a", name="x"),
        line("user.add", "a", email="u@x.org"),
        line("org.delete", "b"),
    ]
    intent = Intent("tester", dry_run=True)
    for batch in (2, 1_000):
        outcomes = apply_lines_at_once(two, documents, intent, batch=batch)
        assert errors_of(outcomes) == {3: AlreadyExists}
        assert all(result["dry_run"] for result in results_of(outcomes))
        assert contents(engine) == before
    assert not errors_of(apply_lines(two, [line("file.create", "a", name="x")]))
    assert_all_consistent(engine)
