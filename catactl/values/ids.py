"""New ids: UUIDs of version 7 (RFC 9562), so that rows made one after the other lie together."""

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, SafeUUID, uuid5

# Under this name space an idempotency key gives the id of the organization it creates.
_CREATED_BY_KEY = UUID("0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10")
_AT_ONCE = 16


class Id(UUID):
    """A UUID that has its words from the beginning: an event's ids are written and hashed often."""

    __slots__ = ("_text",)
    _text: str

    @classmethod
    def of(cls, id_: UUID) -> "Id":
        return cls.spelled(id_.int, str(id_))

    @classmethod
    def spelled(cls, number: int, text: str) -> "Id":
        """Return `UUID(int=number)`, which is spelled as the text, without a look at either."""
        id_ = object.__new__(cls)
        _set(id_, "int", number)
        _set(id_, "is_safe", SafeUUID.unknown)
        _set(id_, "_text", text)
        return id_

    def __str__(self) -> str:
        return self._text

    def __reduce__(self) -> tuple[object, ...]:
        return Id.spelled, (self.int, self._text)


_set = object.__setattr__  # as UUID itself has to: ids are immutable


def parse_id(text: str) -> UUID | None:
    """Return the UUID that the text is a spelling of, or None if the text is a name."""
    try:
        return UUID(text)
    except ValueError:
        return None


def new_id(now: datetime) -> UUID:
    """Return a new id: 48 bits of milliseconds since 1970, 74 random bits."""
    return next(new_ids(now))


def new_ids(now: datetime) -> Iterator[UUID]:
    """Yield new ids of one moment without end, each greater than those before: by RFC 9562's
    monotonic random, where they begin and how far they step is random.
    """
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    upper = milliseconds << 16 | 0x7000 | int.from_bytes(os.urandom(2)) >> 4
    lower = 0x2 << 62 | int.from_bytes(os.urandom(8)) >> 3  # 61 bits of 62, so that it can grow
    digits = f"{upper:016x}"
    beginning, above = f"{digits[:8]}-{digits[8:12]}-{digits[12:]}-", upper << 64
    while True:
        for step in memoryview(os.urandom(4 * _AT_ONCE)).cast("I"):
            lower += 1 + step
            digits = f"{lower:016x}"
            yield Id.spelled(above | lower, f"{beginning}{digits[:4]}-{digits[4:]}")


def id_to_create(key: str | None, now: datetime) -> UUID:
    """Return the id that an organization is created with; under a key every run has the same."""
    return id_for_key(key) if key is not None else new_id(now)


def id_for_key(key: str) -> UUID:
    """Return the id that every run of one request under an idempotency key creates with."""
    return uuid5(_CREATED_BY_KEY, key)
