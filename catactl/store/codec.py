"""Encode events as stored names and payloads, and decode them.

Storage format: a stored name or a field of a payload never changes; classes may. To change the
fields of a payload, add an upcaster from the present schema version to `UPCASTERS`.

Payloads are canonical JSON: sorted keys, no spaces, UTF-8, integers and no floats. PostgreSQL's
JSONB changes the order of keys, so payloads become canonical again before they are hashed.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

from catactl.domain import file, job_configuration, organization
from catactl.domain.decider import Event
from catactl.errors import CorruptLog, SchemaMismatch
from catactl.store.canonical_json import canonical, format_instant, load_document

Payload = dict[str, Any]
_Convert = Callable[[Any], Any]

EVENT_NAMES: dict[type[Event], str] = {
    organization.OrganizationCreated: "organization.created",
    organization.OrganizationRenamed: "organization.renamed",
    organization.QuotaSet: "organization.quota_set",
    organization.QuotaCleared: "organization.quota_cleared",
    organization.OrganizationSuspended: "organization.suspended",
    organization.OrganizationResumed: "organization.resumed",
    organization.OrganizationDeleted: "organization.deleted",
    organization.StorageUsageChanged: "organization.storage_usage_changed",
    organization.StorageUsageCorrected: "organization.storage_usage_corrected",
    organization.OrganizationContentSwept: "organization.content_swept",
    organization.OrganizationClockCorrected: "organization.clock_corrected",
    file.FileCreated: "file.created",
    file.PartUploaded: "file.part_uploaded",
    file.FileCompleted: "file.completed",
    file.FileDeleted: "file.deleted",
    file.FileRestored: "file.restored",
    file.FileContentSwept: "file.content_swept",
    file.FileLinked: "file.linked",
    file.FileUnlinked: "file.unlinked",
    job_configuration.JobConfigurationCreated: "job_configuration.created",
    job_configuration.JobConfigurationUpdated: "job_configuration.updated",
    job_configuration.JobConfigurationEnabled: "job_configuration.enabled",
    job_configuration.JobConfigurationDisabled: "job_configuration.disabled",
    job_configuration.JobConfigurationDeleted: "job_configuration.deleted",
}
EVENT_CLASSES: dict[str, type[Event]] = {name: cls for cls, name in EVENT_NAMES.items()}

# (stored name, schema version) -> the function that converts a payload to the next version.
UPCASTERS: dict[tuple[str, int], Callable[[Payload], Payload]] = {
    # In version 1 catactl could only record parts, not store their content.
    ("file.part_uploaded", 1): lambda payload: payload | {"stored": False}
}


@cache
def schema_version(name: str) -> int:
    """Return the schema version with which events of a name are written."""
    return 1 + sum(1 for upcast_name, _ in UPCASTERS if upcast_name == name)


def encode(event: Event) -> str:
    """Return the canonical payload of an event."""
    # Equal to `canonical(_dump(event))`, but faster, because the keys are sorted and encoded once.
    members = []
    for key, name, dump in _keys(type(event)):
        plain = getattr(event, name)
        if type(plain) is int:
            members.append(f"{key}{plain}")
        elif plain is None:
            members.append(f"{key}null")
        elif plain is False:
            members.append(f"{key}false")
        else:
            members.append(key + canonical(dump(plain) if dump is not None else plain))
    return "{" + ",".join(members) + "}"


_Keys = tuple[tuple[str, str, _Convert | None], ...]
_known_keys: dict[type[Event], _Keys] = {}


def _keys(cls: type[Event]) -> _Keys:
    """Return for each field, sorted by name: its JSON key, its name, and its converter to JSON."""
    known = _known_keys.get(cls)
    if known is None:
        dumps = {name: dump for name, dump, *_ in _converters(cls)}
        known = tuple((f"{canonical(name)}:", name, dumps[name]) for name in sorted(dumps))
        _known_keys[cls] = known
    return known


def decode(name: str, version: int, payload: str) -> Event:
    """Return the event. Raise `SchemaMismatch` if a newer catactl wrote it, `CorruptLog` if the
    payload is malformed.
    """
    cls = EVENT_CLASSES.get(name)
    if cls is None or version > schema_version(name):
        raise SchemaMismatch(
            f"the log has a {name!r} event of schema version {version}, which this catactl does "
            "not know",
            "upgrade catactl",
        )
    try:
        document = load_document(payload)
        while version < schema_version(name):
            document = UPCASTERS[name, version](document)
            version += 1
        event: Event = _load(cls, document)
    except (CorruptLog, ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptLog(
            f"the payload of a {name!r} event cannot be read: {error}", "catactl event verify"
        ) from error
    return event


def dump_object(value: object) -> Payload:
    """Return a dataclass of the domain as a JSON object."""
    return _dump(value)


def load_object(cls: type[Any], document: Mapping[str, Any]) -> Any:
    """Return the dataclass that `dump_object` converted; raise `CorruptLog` if the object is
    malformed.
    """
    try:
        return _load(cls, document)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptLog(
            f"a stored {cls.__name__} cannot be read: {error}",
            "catactl projection check, then catactl projection rebuild",
        ) from None


def _dump(value: object) -> Payload:
    document: Payload = {}
    for name, dump, *_ in _converters(type(value)):
        plain = getattr(value, name)
        document[name] = dump(plain) if dump is not None and plain is not None else plain
    return document


def _load(cls: type[Any], document: Mapping[str, Any]) -> Any:
    converters = _converters(cls)
    if len(document) != len(converters):
        raise ValueError(f"its fields are {sorted(document)}")
    values: dict[str, Any] = {}
    for name, _, load, takes_null in converters:
        plain = document[name]
        if plain is not None:
            values[name] = load(plain)
        elif takes_null:
            values[name] = None
        else:
            raise TypeError(f"{name} is null")
    return cls(**values)


_Converters = tuple[tuple[str, _Convert | None, _Convert, bool], ...]
_known_converters: dict[type[Any], _Converters] = {}


def _converters(cls: type[Any]) -> _Converters:
    """Return for each field: its name, its converter to JSON (None if JSON has the same value), its
    converter from JSON, and whether it may be null.
    """
    known = _known_converters.get(cls)
    if known is None:
        hints = get_type_hints(cls)
        known = tuple((field.name, *_field(hints[field.name])) for field in fields(cls))
        _known_converters[cls] = known
    return known


def _field(hint: Any) -> tuple[_Convert | None, _Convert, bool]:
    arms = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    (plain,) = (arm for arm in arms if arm is not NoneType)
    return *_converter(plain), NoneType in arms


def _converter(hint: Any) -> tuple[_Convert | None, _Convert]:
    if hint is datetime:
        return format_instant, datetime.fromisoformat
    if hint is UUID:
        return str, UUID
    if get_origin(hint) is tuple and get_args(hint)[0] is UUID:
        return (lambda ids: [str(id_) for id_ in ids]), (lambda ids: tuple(map(UUID, ids)))
    if get_origin(hint) is Mapping:
        return dict, partial(_checked, dict)
    if is_dataclass(hint):
        return _dump, lambda document: _load(hint, document)  # type: ignore[arg-type]
    return None, partial(_checked, hint)


def _checked(cls: type[Any], value: Any) -> Any:
    """Return a JSON value unchanged. Raise `TypeError` if its type is wrong, for example because
    somebody tampered with it.
    """
    if type(value) is not cls:
        raise TypeError(f"{value!r} is not of type {cls.__name__}")
    return value
