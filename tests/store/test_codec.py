"""Events and documents are encoded, stored and decoded without change."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select

from catactl.domain.decider import Event
from catactl.domain.file import FileContentSwept, FileCreated, PartUploaded
from catactl.domain.job_configuration import JobSpec
from catactl.domain.organization import OrganizationContentSwept
from catactl.errors import CorruptLog, SchemaMismatch
from catactl.store import canonical_json, codec
from catactl.store.codec import EVENT_NAMES
from catactl.store.sql.engine import writing
from catactl.store.sql.statements import pipelined, write
from catactl.store.tables import events
from tests.strategies import DOCUMENTS, EVENTS, SPECS, TEXT, events_of
from tests.support import BYTES_1, BYTES_2, NOON


@pytest.mark.parametrize("cls", EVENT_NAMES, ids=lambda cls: EVENT_NAMES[cls])
@settings(max_examples=40)
@given(data=st.data())
def test_every_event_is_decoded_as_it_was_encoded(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(events_of(cls))
    name = EVENT_NAMES[cls]
    assert codec.decode(name, codec.schema_version(name), codec.encode(event)) == event


@given(EVENTS)
def test_a_payload_is_canonical_and_has_no_float(event: Event) -> None:
    payload = codec.encode(event)

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} is a float")

    document = json.loads(payload, parse_float=refuse, parse_constant=refuse)
    assert canonical_json.canonical(document) == payload


@given(SPECS)
def test_a_job_specification_is_loaded_as_it_was_dumped(spec: JobSpec) -> None:
    document = json.loads(canonical_json.canonical(codec.dump_object(spec)))
    assert codec.load_object(JobSpec, document) == spec


@given(DOCUMENTS)
def test_canonical_text_depends_only_on_the_content(document: Any) -> None:
    text = canonical_json.canonical(document)
    assert json.loads(text) == document
    assert canonical_json.canonical(_reversed(document)) == text
    text.encode()


def _reversed(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _reversed(value) for key, value in reversed(document.items())}
    if isinstance(document, list):
        return [_reversed(each) for each in document]
    return document


def test_canonical_is_sorted_compact_and_readable() -> None:
    assert canonical_json.canonical({"ü": [1, None], "a": {"z": True, "b": "é\n"}}) == (
        '{"a":{"b":"é\\n","z":true},"ü":[1,null]}'
    )


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_is_not_json_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json.canonical({"n": number})


_INSERT_EVENT = insert(events)


@pytest.mark.parametrize("pipelines", [False, True], ids=["one by one", "pipelined"])
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(TEXT, DOCUMENTS, max_size=5))
def test_canonical_json_is_the_same_after_it_was_stored(
    engine: Engine, pipelines: bool, document: dict[str, Any]
) -> None:
    text = canonical_json.canonical(document)
    with writing(engine) as conn:  # rolled back
        with pipelined(conn, commits=False) if pipelines else nullcontext():
            write(conn, _INSERT_EVENT, {**_ROW, "payload": text})
        stored = conn.execute(select(events.c.payload)).scalar_one()
    assert canonical_json.canonical(canonical_json.load_document(stored)) == text


_ROW = {
    "org_id": UUID(int=1),
    "position": 1,
    "stream_id": UUID(int=1),
    "version": 1,
    "type": "file.created",
    "schema_version": 1,
    "event_id": UUID(int=2),
    "actor": "tester",
    "reason": None,
    "command_id": UUID(int=3),
    "correlation_id": UUID(int=3),
    "causation_id": None,
    "recorded_at": NOON,
    "hash": bytes(32),
}


# --- storage format -------------------------------------------------------------------------------


def test_payloads_have_the_documented_field_names() -> None:
    payload = codec.encode(PartUploaded(3, 10, BYTES_1, False, 4, None))
    assert payload == (
        f'{{"number":3,"replaced_bytes":4,"replaced_sha256":null,"sha256":"{BYTES_1}",'
        '"size_bytes":10,"stored":false}'
    )
    assert codec.encode(FileContentSwept(7, 2)) == '{"swept_bytes":7,"swept_parts":2}'
    swept = OrganizationContentSwept({BYTES_2: 3, BYTES_1: 1})
    first, second = sorted(swept.generations)
    assert codec.encode(swept) == (
        f'{{"generations":{{"{first}":{swept.generations[first]},'
        f'"{second}":{swept.generations[second]}}}}}'
    )


def test_a_part_of_schema_version_1_was_recorded_and_not_stored() -> None:
    assert codec.schema_version("file.part_uploaded") == 2
    payload = (
        f'{{"number":3,"replaced_bytes":4,"replaced_sha256":"{BYTES_2}","sha256":"{BYTES_1}",'
        '"size_bytes":10}'
    )
    recorded = PartUploaded(3, 10, BYTES_1, False, 4, BYTES_2)
    assert codec.decode("file.part_uploaded", 1, payload) == recorded
    with pytest.raises(CorruptLog):
        codec.decode("file.part_uploaded", 2, payload)


def test_moments_are_stored_in_utc_to_the_microsecond() -> None:
    payload = codec.encode(FileCreated("a", NOON))
    assert payload == '{"created_at":"2026-03-01T12:00:00.000000Z","name":"a"}'


def test_an_event_with_an_unknown_name_needs_a_newer_catactl() -> None:
    with pytest.raises(SchemaMismatch, match=r"'file\.folded' event of schema version 1") as raised:
        codec.decode("file.folded", 1, "{}")
    assert raised.value.hint == "upgrade catactl"


def test_an_event_with_a_later_schema_version_needs_a_newer_catactl() -> None:
    with pytest.raises(SchemaMismatch, match="schema version 2"):
        codec.decode("file.created", 2, codec.encode(FileCreated("a", NOON)))


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "no json",
        "[]",
        "null",
        "7",
        "{}",
        '{"name":"a"}',
        '{"created_at":"2026-03-01T12:00:00Z","name":"a","more":1}',
        '{"created_at":"soon","name":"a"}',
        '{"created_at":7,"name":"a"}',
    ],
)
def test_a_malformed_payload_is_corrupt(payload: str) -> None:
    with pytest.raises(CorruptLog, match=r"'file\.created' event cannot be read"):
        codec.decode("file.created", 1, payload)


@pytest.fixture
def upcaster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Decode as if names of files had been stored as `title` first, and then as `label`."""

    def renamed(old: str, new: str) -> Any:
        return lambda payload: {
            (new if key == old else key): value for key, value in payload.items()
        }

    monkeypatch.setitem(codec.UPCASTERS, ("file.created", 1), renamed("title", "label"))
    monkeypatch.setitem(codec.UPCASTERS, ("file.created", 2), renamed("label", "name"))
    codec.schema_version.cache_clear()
    yield
    codec.schema_version.cache_clear()


@pytest.mark.usefixtures("upcaster")
@pytest.mark.parametrize(("version", "field"), [(1, "title"), (2, "label"), (3, "name")])
def test_old_payloads_are_converted_step_by_step(version: int, field: str) -> None:
    assert codec.schema_version("file.created") == 3
    assert codec.schema_version("file.deleted") == 1
    payload = f'{{"created_at":"2026-03-01T12:00:00Z","{field}":"a"}}'
    assert codec.decode("file.created", version, payload) == FileCreated("a", NOON)
