"""Ids: UUIDs of version 7 (RFC 9562), so that the database stores rows of one time together."""

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, SafeUUID, uuid5

# The namespace of the ids of organizations that are created under an idempotency key (UUID version
# 5). A stored format: do not change it.
_KEY_NAMESPACE = UUID("0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10")
_BATCH = 16
_DIGITS = 32


class CachedId(UUID):
    """A UUID with a cached text, because an event's ids are written and hashed several times."""

    __slots__ = ("_text",)
    _text: str

    @classmethod
    def of(cls, id_: UUID) -> "CachedId":
        """Return the same id with a cached text."""
        return cls.with_text(id_.int, str(id_))

    @classmethod
    def with_text(cls, number: int, text: str) -> "CachedId":
        """Return the id with that number and text, which must match. This is not checked."""
        id_ = object.__new__(cls)
        _set(id_, "int", number)
        _set(id_, "is_safe", SafeUUID.unknown)
        _set(id_, "_text", text)
        return id_

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[object, ...]:
        return CachedId.with_text, (self.int, self._text)


_set = object.__setattr__  # because UUID forbids assignment


def parse_id(text: str) -> UUID | None:
    """Return the UUID that the text spells, or None if the text is a name."""
    if len(text) < _DIGITS:  # an error of UUID would take longer
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def new_id(now: datetime) -> UUID:
    """Return a new id: 48 bits of milliseconds since 1970, 74 random bits."""
    return next(new_ids(now))


def new_ids(now: datetime) -> Iterator[UUID]:
    """Yield new ids without end, all with the same time, each greater than the one before.

    The first id and the steps are random (RFC 9562, "Monotonic Random").
    """
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    upper = milliseconds << 16 | 0x7000 | int.from_bytes(os.urandom(2)) >> 4
    lower = 0x2 << 62 | int.from_bytes(os.urandom(8)) >> 3  # 61 of 62 bits, so that it can grow
    digits = f"{upper:016x}"
    beginning, above = f"{digits[:8]}-{digits[8:12]}-{digits[12:]}-", upper << 64
    while True:
        for step in memoryview(os.urandom(4 * _BATCH)).cast("I"):
            lower += 1 + step
            digits = f"{lower:016x}"
            yield CachedId.with_text(above | lower, f"{beginning}{digits[:4]}-{digits[4:]}")


def id_to_create(key: str | None, now: datetime) -> UUID:
    """Return the id for a new organization. Under a key, every run returns the same id."""
    return id_for_key(key) if key is not None else new_id(now)


def id_for_key(key: str) -> UUID:
    """Return the id of an organization that is created under an idempotency key."""
    return uuid5(_KEY_NAMESPACE, key)
