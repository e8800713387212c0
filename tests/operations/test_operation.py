"""Compare requests under idempotency keys, and keep the form in which they are stored."""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID

import pytest

from catactl.cli.framework.context import Context
from catactl.errors import InvalidValue
from catactl.handling.unit_of_work import UnitOfWork
from catactl.operations.arguments import Name
from catactl.operations.jobs import update_job
from catactl.operations.operation import operation
from catactl.operations.organizations import (
    create_organization,
    rename_organization,
    set_quota,
)
from catactl.operations.registry import OPERATIONS
from catactl.results.organizations import OrganizationWritten
from catactl.store.idempotency import FINGERPRINT_VERSION, Request
from tests.support import BYTES_1

_ID = UUID("01a20853-bf6a-73da-87c2-9051e42ba471")
_COMPOSED, _DECOMPOSED = "Z\u00fcrich", "Zu\u0308rich"
_PART = {"file": "a", "number": 1, "size_bytes": 7, "sha256": BYTES_1}
_JOB = {"name": "nightly", "image": "python:3.12"}
_Arguments = Mapping[str, Any]


def _fingerprint(name: str, arguments: _Arguments) -> str:
    return Request("k", "acme", OPERATIONS[name].request(arguments)).fingerprint


@pytest.mark.parametrize(
    ("name", "arguments", "same"),
    [
        ("org.create", {"name": "a"}, {"name": "a", "quota_bytes": None}),
        ("org.create", {"name": "a"}, {"if_not_exists": False, "name": "a"}),
        ("org.create", {"name": _COMPOSED}, {"name": _DECOMPOSED}),
        ("org.rename", {"new": _COMPOSED}, {"new": _DECOMPOSED}),
        ("org.delete", {"confirm": "acme"}, {"confirm": str(_ID)}),
        ("user.add", {"email": "ada@example.com"}, {"email": "Ada@Example.COM", "name": None}),
        ("user.add", {"email": "a@x.org"}, {"email": "a@x.org", "role": "member"}),
        ("user.update", {"user": "a@x.org", "role": "owner"}, {"user": "A@x.org", "role": "owner"}),
        ("user.update", {"user": "a", "email": "b@x.org"}, {"user": "a", "email": "B@x.org"}),
        (
            "user.add",
            {"email": "a@x.org", "name": _COMPOSED},
            {"email": "a@x.org", "name": _DECOMPOSED},
        ),
        ("user.remove", {"user": str(_ID)}, {"user": str(_ID).upper()}),
        ("file.create", {"name": f"{_COMPOSED}/a"}, {"name": f"{_DECOMPOSED}/a"}),
        ("file.delete", {"file": str(_ID)}, {"file": _ID.hex}),
        ("part.record", _PART, {**_PART, "sha256": BYTES_1.upper()}),
        ("job.create", {**_JOB, "inputs": ["a", "b"]}, {**_JOB, "inputs": ["b", "a", "b"]}),
        ("job.create", {**_JOB, "inputs": [_COMPOSED]}, {**_JOB, "inputs": [_DECOMPOSED]}),
        ("job.update", {"job": "a", "name": _COMPOSED}, {"job": "a", "name": _DECOMPOSED}),
    ],
)
def test_arguments_in_other_spellings_are_the_same_request(
    name: str, arguments: _Arguments, same: _Arguments
) -> None:
    assert _fingerprint(name, arguments) == _fingerprint(name, same)


@pytest.mark.parametrize(
    ("name", "arguments", "other"),
    [
        ("org.create", {"name": "a"}, {"name": "A"}),
        ("org.create", {"name": "a"}, {"name": "a", "quota_bytes": 0}),
        ("org.create", {"name": "a"}, {"name": "a", "if_not_exists": True}),
        ("part.record", _PART, {**_PART, "size_bytes": 8}),
        ("job.create", {**_JOB, "env": {"A": _COMPOSED}}, {**_JOB, "env": {"A": _DECOMPOSED}}),
        ("job.create", {**_JOB, "job_command": "a b"}, {**_JOB, "job_command": "a  b"}),
        ("job.update", {"job": "a", "name": "b"}, {"job": "a", "name": "b", "schedule": None}),
        ("job.update", {"job": "a", "inputs": ["b"]}, {"job": "a", "inputs": []}),
    ],
)
def test_arguments_with_another_meaning_are_another_request(
    name: str, arguments: _Arguments, other: _Arguments
) -> None:
    assert _fingerprint(name, arguments) != _fingerprint(name, other)


def test_the_same_arguments_of_another_command_are_another_request() -> None:
    assert _fingerprint("job.enable", {"job": "a"}) != _fingerprint("job.disable", {"job": "a"})


def test_a_new_argument_with_a_default_leaves_stored_keys_valid() -> None:
    @operation("org.create", creates=True)
    def after(
        unit: UnitOfWork, *, name: Name, quota_bytes: int | None = None, label: str = ""
    ) -> OrganizationWritten:
        raise NotImplementedError(label)

    before = create_organization
    for given in ({"name": "a"}, {"name": "a", "quota_bytes": 5}):
        assert after.request(given) == before.request(given)
        assert after.request({**given, "label": ""}) == before.request(given)
        assert after.request({**given, "label": "x"}) != before.request(given)


# Requests of version 2, whose SHA-256 databases hold. To change one of these texts, increment
# FINGERPRINT_VERSION: otherwise a repeated request would look like another one.
@pytest.mark.parametrize(
    ("name", "arguments", "request_text"),
    [
        (
            "org.create",
            {"name": _DECOMPOSED, "quota_bytes": 10**15},
            f'{{"command":"org.create","name":"{_COMPOSED}","quota_bytes":1000000000000000}}',
        ),
        ("org.delete", {"confirm": "acme"}, '{"command":"org.delete"}'),
        ("quota.set", {"size_bytes": 1000}, '{"command":"quota.set","size_bytes":1000}'),
        (
            "user.add",
            {"email": "Ada@Example.com", "role": "admin", "name": None},
            '{"command":"user.add","email":"ada@example.com","role":"admin"}',
        ),
        (
            "part.record",
            {"file": "a", "number": 1, "size_bytes": 7, "sha256": "AB" * 32},
            '{"command":"part.record","file":"a","number":1,'
            f'"sha256":"{"ab" * 32}","size_bytes":7}}',
        ),
        (
            "job.create",
            {**_JOB, "job_command": "a b", "env": {"B": "2", "A": "1"}, "inputs": ["b", "a"]},
            '{"command":"job.create","env":{"A":"1","B":"2"},"image":"python:3.12",'
            '"inputs":["a","b"],"job_command":"a b","name":"nightly"}',
        ),
        (
            "job.update",
            {"job": "nightly", "schedule": None, "cpu_millis": 500},
            '{"command":"job.update","cpu_millis":500,"job":"nightly","schedule":null}',
        ),
        ("file.delete", {"file": _ID.hex}, f'{{"command":"file.delete","file":"{_ID}"}}'),
    ],
)
def test_a_stored_fingerprint_never_changes(
    name: str, arguments: _Arguments, request_text: str
) -> None:
    expected = hashlib.sha256(request_text.encode()).hexdigest()
    assert (FINGERPRINT_VERSION, _fingerprint(name, arguments)) == (2, expected)


@pytest.mark.parametrize(
    ("name", "arguments", "is_change"),
    [
        ("job.update", {"job": "a"}, False),
        ("job.update", {"job": "a", "schedule": None}, True),
        ("job.update", {"job": "a", "env": {}}, True),
        ("user.update", {"user": "a"}, False),
        ("user.update", {"user": "a", "email": None, "name": None, "role": None}, False),
        ("user.update", {"user": "a", "name": ""}, True),
        ("file.delete", {"file": "a"}, True),
    ],
)
def test_an_update_needs_a_change(name: str, arguments: _Arguments, is_change: bool) -> None:
    expected: AbstractContextManager[object] = nullcontext()
    if not is_change:
        expected = pytest.raises(InvalidValue, match="nothing to")
    with expected:
        OPERATIONS[name].check(arguments)


def _is_not_called(context: Context) -> None:
    """Ensure that mypy checks the arguments of operations. It reports an unused `type: ignore`."""
    context.write(rename_organization, "acme", name="b")  # type: ignore[call-arg]
    context.write(set_quota, "acme", size_bytes="1")  # type: ignore[arg-type]
    context.write(update_job, "acme", job="nightly", cpu_millis="1")  # type: ignore[arg-type]
    context.write("part.record", "acme", number=1)  # type: ignore[arg-type]
