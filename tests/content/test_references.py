"""The events alone define which content the log refers to."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete

from catactl.blobs.store import Blob, Content, measure
from catactl.content.references import (
    DigestEntry,
    Reference,
    digests_uploaded_since,
    files_to_sweep,
    merge_by_digest,
    snapshot,
)
from catactl.domain.file import SweepFileContent
from catactl.domain.organization import DeleteOrganization
from catactl.store.sql.engine import reading
from catactl.store.tables import file_parts, files
from tests.content.conftest import Org
from tests.support import NOON, create_organization, run, tampering, upload

_LATER = timedelta(hours=1)
_DIGESTS = st.sampled_from([character * 64 for character in "0123456789abcdef"])


_MOVES = ("create", "create", "put", "put", "put", "elsewhere", "delete", "delete", "back", "give")


def _references(org: Org, *, as_if_swept: bool = False) -> list[Reference]:
    now = datetime.now(UTC) + _LATER
    with snapshot(org.engine, org.org_id, now, as_if_swept=as_if_swept) as found:
        return list(found.references)


@given(
    st.lists(st.tuples(_DIGESTS, st.integers(1, 9))),
    st.sets(st.tuples(_DIGESTS, st.integers(0, 2))),
)
def test_references_and_blobs_are_merged_by_digest(
    referring: list[tuple[str, int]], there: set[tuple[str, int]]
) -> None:
    references = [Reference(digest, 1, UUID(int=7), number) for digest, number in sorted(referring)]
    blobs = [Blob(digest, generation, 1, NOON) for digest, generation in sorted(there)]
    entries = list(merge_by_digest(iter(references), iter(blobs)))
    assert entries == [
        DigestEntry(
            digest,
            [each for each in references if each.sha256 == digest],
            [each for each in blobs if each.sha256 == digest],
        )
        for digest in sorted({digest for digest, _ in referring} | {digest for digest, _ in there})
    ]
    for entry in entries:
        for generation in range(3):
            blob = entry.blob(generation)
            assert (blob is not None) == ((entry.sha256, generation) in there)
            assert blob is None or blob.generation == generation


def test_references_follow_from_the_events(org: Org) -> None:
    """Compare random histories with a dictionary."""
    chance = random.Random(7)
    contents = [org.store(bytes([number])) for number in range(6)]
    alive: dict[UUID, dict[int, Content | None]] = {}
    deleted: dict[UUID, dict[int, Content | None]] = {}
    swept: set[UUID] = set()
    for step in range(150):
        restorable = [file_id for file_id in deleted if file_id not in swept]
        match chance.choice(_MOVES):
            case "create":
                alive[org.create(f"file-{step}")] = {}
            case "put" if alive:
                file_id, content = chance.choice(list(alive)), chance.choice(contents)
                number = chance.randint(1, 3)
                org.record(file_id, number, content)
                alive[file_id][number] = content
            case "elsewhere" if alive:
                file_id, content = chance.choice(list(alive)), chance.choice(contents)
                upload(org.handler, org.org_id, file_id, 1, 1, content.sha256)
                if alive[file_id].get(1) != content:
                    alive[file_id][1] = None
            case "delete" if alive:
                file_id = chance.choice(list(alive))
                org.delete(file_id)
                deleted[file_id] = alive.pop(file_id)
            case "back" if restorable:
                file_id = chance.choice(restorable)
                org.restore(file_id)
                alive[file_id] = deleted.pop(file_id)
            case "give" if deleted:
                file_id = chance.choice(list(deleted))
                run(org.handler, org.org_id, file_id, SweepFileContent())
                if any(deleted[file_id].values()):
                    swept.add(file_id)

    def expected(*lives: dict[UUID, dict[int, Content | None]]) -> list[Reference]:
        return sorted(
            Reference(content.sha256, content.size_bytes, file_id, number)
            for some in lives
            for file_id, parts in some.items()
            for number, content in parts.items()
            if content is not None and file_id not in swept
        )

    with tampering(org.engine.url) as conn:  # because only the events count
        conn.execute(delete(file_parts))
        conn.execute(delete(files))
    assert expected(deleted), "the history is too tame"
    found = _references(org)
    assert sorted(found) == expected(alive, deleted)
    assert [each.sha256 for each in found] == sorted(each.sha256 for each in found)
    assert sorted(_references(org, as_if_swept=True)) == expected(alive)
    with reading(org.engine) as conn:
        waiting = files_to_sweep(conn, org.org_id, datetime.now(UTC) + _LATER)
        assert sorted(waiting) == sorted(set(deleted) - swept)
        assert files_to_sweep(conn, org.org_id, NOON) == []


def test_only_uploads_after_the_position_count(org: Org) -> None:
    file_id = org.create("x")
    org.put(file_id, 1, b"a")
    moment = datetime.now(UTC)
    with snapshot(org.engine, org.org_id, moment) as (position, references, _):
        org.put(file_id, 1, b"b")
        org.put(file_id, 2, b"c")
        assert [each.sha256 for each in references] == [measure([b"a"]).sha256]
        with reading(org.engine) as conn:
            since = digests_uploaded_since(conn, org.org_id, position)
    assert since == {measure([each]).sha256 for each in (b"b", b"c")}


def test_a_deleted_organization_has_no_references(org: Org) -> None:
    file_id = org.upload("x", b"a")
    org.delete(file_id)
    before = datetime.now(UTC)
    run(org.handler, org.org_id, org.org_id, DeleteOrganization())
    assert _references(org) == []
    with snapshot(org.engine, org.org_id, before) as found:
        assert len(list(found.references)) == 1


def test_references_of_other_organizations_are_left_out(org: Org) -> None:
    other = replace(org, org_id=create_organization(org.handler, "beta"))
    other.upload("x", b"a")
    assert _references(org) == []
    assert len(_references(other)) == 1
