"""New ids: UUIDs of version 7 (RFC 9562), so that rows made one after the other lie together."""

import os
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid5

# Under this name space an idempotency key gives the id of the organization it creates.
_CREATED_BY_KEY = UUID("0b6f1e2a-6a53-5d0e-9c0e-8f3c7a4d2b10")
_RANDOM_BYTES = 10
_STEP_BYTES = 4
_LOW_BITS = 2**62 - 1
_AT_ONCE = 16
_VERSION_AND_VARIANT = (0x7 << 76) | (0x2 << 62)


class Id(UUID):
    """A UUID that is put into words once: an event's ids are written and hashed many times."""

    __slots__ = ("_text",)
    _text: str

    @classmethod
    def of(cls, id_: UUID) -> "Id":
        return cls(int=id_.int)

    def __str__(self) -> str:
        text: str | None = getattr(self, "_text", None)
        if text is None:
            text = super().__str__()
            object.__setattr__(self, "_text", text)
        return text


def new_id(now: datetime) -> UUID:
    """Return a new id: 48 bits of milliseconds since 1970, 74 random bits."""
    return next(new_ids(now))


def new_ids(now: datetime) -> Iterator[UUID]:
    """Yield new ids of one moment without end, each greater than those before: by RFC 9562's
    monotonic random, where they begin and how far they step is random.
    """
    milliseconds = int(now.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    fixed = milliseconds << 80 | _VERSION_AND_VARIANT
    number = int.from_bytes(os.urandom(_RANDOM_BYTES)) >> 7  # of 74 bits, so that it can grow
    while True:
        steps = os.urandom(_STEP_BYTES * _AT_ONCE)
        for first in range(0, len(steps), _STEP_BYTES):
            number += 1 + int.from_bytes(steps[first : first + _STEP_BYTES])
            yield Id(int=fixed | number >> 62 << 64 | number & _LOW_BITS)


def id_to_create(key: str | None, now: datetime) -> UUID:
    """Return the id that an organization is created with; under a key every run has the same."""
    return id_for_key(key) if key is not None else new_id(now)


def id_for_key(key: str) -> UUID:
    """Return the id that every run of one request under an idempotency key creates with."""
    return uuid5(_CREATED_BY_KEY, key)
