"""A request under an idempotency key runs once."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from catactl.domain.file import DeleteFile, UploadPart
from catactl.domain.organization import ClearQuota, SetQuota
from catactl.errors import IdempotencyConflict, QuotaExceeded, Refused
from catactl.handling.handler import Handler
from catactl.store.sql.engine import reading
from catactl.store.tables import organizations
from tests.support import (
    BYTES_1,
    INTENT,
    assert_consistent,
    contents,
    create_file,
    create_organization,
    perform,
    run,
    upload,
)


def test_the_same_request_under_a_key_gives_the_stored_result_and_no_events(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"size": 10})
    command = UploadPart(1, 10, BYTES_1)
    first = perform(handler, org_id, file_id, command, intent)
    upload(handler, org_id, file_id, 2, 20)
    before = contents(engine)
    for again in (handler, Handler(engine)):
        assert perform(again, org_id, file_id, command, intent) == first
    assert contents(engine) == before


def test_a_key_is_replayed_even_where_the_command_would_now_be_refused(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"command": "delete"})
    first = perform(handler, org_id, file_id, DeleteFile(), intent)
    assert perform(handler, org_id, file_id, DeleteFile(), intent) == first
    with pytest.raises(Refused):
        perform(handler, org_id, file_id, DeleteFile())
    assert_consistent(engine, org_id)


def test_another_request_under_a_key_is_a_conflict(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"size": 10})
    perform(handler, org_id, file_id, UploadPart(1, 10, BYTES_1), intent)
    before = contents(engine)
    with pytest.raises(IdempotencyConflict, match="'k1' was used for another request"):
        perform(
            handler,
            org_id,
            file_id,
            UploadPart(1, 11, BYTES_1),
            replace(intent, request={"size": 11}),
        )
    assert contents(engine) == before


def test_a_key_counts_in_its_organization_alone(engine: Engine, handler: Handler) -> None:
    intent = replace(INTENT, idempotency_key="k1", request={"command": "same"})
    for name in ("acme", "beta"):
        org_id = create_organization(handler, name)
        result = perform(handler, org_id, org_id, SetQuota(5), intent)
        assert result["events"] == ["organization.quota_set"]


def test_a_command_that_changes_nothing_still_remembers_its_key(
    engine: Engine, handler: Handler
) -> None:
    org_id = create_organization(handler)
    intent = replace(INTENT, idempotency_key="k1", request={"command": "clear"})
    first = perform(handler, org_id, org_id, ClearQuota(), intent)
    assert first["events"] == []
    run(handler, org_id, org_id, SetQuota(5))
    assert perform(Handler(engine), org_id, org_id, ClearQuota(), intent) == first
    with reading(engine) as conn:
        assert conn.execute(select(organizations.c.quota_bytes)).scalar() == 5


def test_a_command_that_failed_leaves_its_key_free(engine: Engine, handler: Handler) -> None:
    org_id = create_organization(handler, quota_bytes=5)
    file_id = create_file(handler, org_id)
    intent = replace(INTENT, idempotency_key="k1", request={"command": "part"})
    with pytest.raises(QuotaExceeded):
        perform(handler, org_id, file_id, UploadPart(1, 6, BYTES_1), intent)
    run(handler, org_id, org_id, ClearQuota())
    result = perform(handler, org_id, file_id, UploadPart(1, 6, BYTES_1), intent)
    assert result["events"] == ["file.part_uploaded", "organization.storage_usage_changed"]
