"""Write and apply batches of lines."""

import io
import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, select

from catactl.errors import CatactlError
from catactl.handling.handler import Handler
from catactl.handling.intent import Intent
from catactl.operations.batch import DoneLine, LineOutcome, apply_at_once, apply_in_batches
from catactl.operations.batch_lines import BatchLine, FailedLine, read_lines
from catactl.store import name_lookup
from catactl.store.sql.engine import reading
from catactl.store.tables import logs
from tests.support import BYTES_1, INTENT, assert_consistent

Document = dict[str, Any]


def line(command: str, org: str | None = None, **arguments: Any) -> Document:
    return {"command": command, **({"org": org} if org is not None else {}), **arguments}


def part_line(org: str, file: str, number: int, size_bytes: int, **more: Any) -> Document:
    content = {"number": number, "size_bytes": size_bytes, "sha256": BYTES_1}
    return line("part.record", org, file=file, **content, **more)


def read(
    documents: Sequence[Document], intent: Intent = INTENT
) -> Iterator[BatchLine | FailedLine]:
    text = "".join(json.dumps(each) + "\n" for each in documents)
    return read_lines(io.BytesIO(text.encode()), intent)


def apply_lines(
    handler: Handler,
    documents: Sequence[Document],
    intent: Intent = INTENT,
    *,
    batch: int = 1_000,
    fails_fast: bool = False,
) -> list[LineOutcome]:
    lines = read(documents, intent)
    done = apply_in_batches(handler, lines, intent, batch, fails_fast=fails_fast)
    return [outcome for outcomes in done for outcome in outcomes]


def apply_lines_at_once(
    handler: Handler, documents: Sequence[Document], intent: Intent = INTENT, *, batch: int = 1_000
) -> list[LineOutcome]:
    kept: list[LineOutcome] = []

    def open_lines() -> Iterator[BatchLine | FailedLine]:
        kept.clear()
        return read(documents, intent)

    apply_at_once(handler, open_lines, intent, batch, kept.extend)
    return kept


def errors_of(outcomes: Sequence[LineOutcome]) -> dict[int, type[CatactlError]]:
    """Return the lines that failed, with their errors."""
    return {each.number: type(each.error) for each in outcomes if isinstance(each, FailedLine)}


def replayed_in(outcomes: Sequence[LineOutcome]) -> list[int]:
    return [each.number for each in outcomes if isinstance(each, DoneLine) and each.replayed]


def results_of(outcomes: Sequence[LineOutcome]) -> list[dict[str, Any]]:
    return [each.result for each in outcomes if isinstance(each, DoneLine)]


def org_id_of(engine: Engine, name: str) -> UUID:
    with reading(engine) as conn:
        return name_lookup.resolve_organization(conn, name)


def assert_all_consistent(engine: Engine) -> None:
    with reading(engine) as conn:
        org_ids = list(conn.execute(select(logs.c.org_id)).scalars())
    for org_id in org_ids:
        assert_consistent(engine, org_id)
