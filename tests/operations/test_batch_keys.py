"""A line with a key is done once."""

from typing import Any

import pytest
from sqlalchemy import Engine

from catactl.errors import AlreadyExists, IdempotencyConflict, NotFound
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.operations import batch as batches
from catactl.operations.batch import LineOutcome
from catactl.operations.batch_lines import BatchLine
from tests.operations.support import (
    apply_lines,
    apply_lines_at_once,
    assert_all_consistent,
    errors_of,
    line,
    org_id_of,
    replayed_in,
    results_of,
)
from tests.support import Usage, assert_consistent, contents

_MOVING_NAMES = [
    line("org.create", name="a"),
    line("file.create", "a", name="x"),
    line("file.delete", "a", file="x"),
    line("org.delete", "a", confirm="a"),
    line("org.create", name="a"),
    line("file.create", "a", name="y"),
    line("org.rename", "a", new="b"),
    line("file.create", "b", name="z"),
    line("org.create", name="a"),
    line("user.add", "a", email="u@x.org"),
]


@pytest.mark.parametrize("batch", [3, 1_000])
@pytest.mark.parametrize("at_once", [False, True], ids=["batches", "atomic"])
def test_keyed_lines_run_once_even_if_their_names_have_moved(
    engine: Engine, batch: int, at_once: bool
) -> None:
    intent = Intent("tester", idempotency_key="import")
    runs = apply_lines_at_once if at_once else apply_lines
    first = runs(Handler(engine), _MOVING_NAMES, intent, batch=batch)
    assert not errors_of(first)
    assert replayed_in(first) == []
    before = contents(engine)
    again = runs(Handler(engine), _MOVING_NAMES, intent, batch=batch)
    assert replayed_in(again) == list(range(1, 11))
    assert results_of(again) == results_of(first)
    assert contents(engine) == before
    assert_all_consistent(engine)


def test_an_interrupted_run_continues_after_its_last_commit(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = Intent("tester", idempotency_key="import")
    run = batches._LineRunner.run

    def breaks(self: Any, line: BatchLine) -> LineOutcome:
        if line.number == 6:
            raise KeyboardInterrupt
        return run(self, line)

    handler = Handler(engine)
    monkeypatch.setattr(batches._LineRunner, "run", breaks)
    with pytest.raises(KeyboardInterrupt):
        apply_lines(handler, _MOVING_NAMES, intent, batch=4)
    monkeypatch.undo()
    assert_all_consistent(engine)
    again = apply_lines(handler, _MOVING_NAMES, intent, batch=3)
    assert not errors_of(again)
    assert replayed_in(again) == [1, 2, 3, 4]
    assert_all_consistent(engine)


def test_an_unkeyed_line_does_not_follow_the_key_of_another_line(
    engine: Engine, handler: Handler
) -> None:
    documents = [
        line("org.create", name="a", key="1"),
        line("org.rename", "a", new="b", key="2"),
        line("file.create", "a", name="x"),
        line("file.create", "a", name="x", key="3"),
    ]
    for _ in range(2):
        assert errors_of(apply_lines(handler, documents)) == {3: NotFound, 4: NotFound}
    assert assert_consistent(engine, org_id_of(engine, "b")) == Usage(0, 0, 0)


def test_a_key_belongs_to_one_request_within_a_batch_too(engine: Engine, two: Handler) -> None:
    documents = [
        line("file.create", "a", name="x", key="k"),
        line("file.create", "a", name="x", key="k"),
        line("file.create", "a", name="y", key="k"),
        line("file.create", "b", name="y", key="k"),
        line("org.create", name="c", key="o"),
        line("org.create", name="d", key="o"),
        line("file.create", "a", name="x", key="failed"),
    ]
    outcomes = apply_lines(two, documents)
    assert errors_of(outcomes) == {3: IdempotencyConflict, 6: IdempotencyConflict, 7: AlreadyExists}
    assert replayed_in(outcomes) == [2]
    # A failed line changed nothing, so its key is unused.
    apply_lines(two, [line("file.delete", "a", file="x")])
    assert not errors_of(apply_lines(two, documents[-1:]))
    assert_all_consistent(engine)
