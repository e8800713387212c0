"""Read lines of JSON as operations: one object per line, checked before any is run."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from itertools import count
from typing import Any, BinaryIO, NamedTuple

from catactl.errors import CatactlError, InvalidValue
from catactl.handling.handler import MAX_KEY_BYTES, MAX_TEXT_BYTES
from catactl.handling.intent import Intent
from catactl.operations.operation import Operation
from catactl.operations.registry import OPERATIONS
from catactl.values.names import check_text
from catactl.values.text_input import without_mark

MAX_LINE_BYTES = 1024 * 1024
_MAX_DIGITS = 100
# Fields that a line may have besides the arguments of its operation.
_COMMON = ("org", "key", "actor", "reason", "expected_version")
_RUN_BY_THEMSELVES = frozenset(
    {"file.upload", "part.upload", "usage.recompute", "projection.rebuild", "blob.gc", "apply"}
)
_DESTROY = frozenset({"org.delete", "user.remove", "job.delete", "file.delete"})


class BatchLine(NamedTuple):
    """An operation to run. `intent` has its organization and its key."""

    number: int
    operation: Operation[..., Any]
    arguments: Mapping[str, Any]
    intent: Intent


class FailedLine(NamedTuple):
    """A line that was not run, or failed, with the error."""

    number: int
    error: CatactlError


def read_lines(stream: BinaryIO, intent: Intent) -> Iterator[BatchLine | FailedLine]:
    """Yield each line as an operation with the caller's intent, or as an error.

    Lines are numbered from 1, and empty lines are skipped. If the intent has an idempotency key, a
    line without its own key gets that key and its number. Raises `InvalidValue` for input in an
    encoding other than UTF-8.
    """
    check_text("idempotency key", intent.idempotency_key or "", MAX_KEY_BYTES)
    plain: dict[str, Intent] = {}
    for number in count(1):
        text = stream.readline(MAX_LINE_BYTES + 1)
        if not text:
            return
        is_too_long = len(text) > MAX_LINE_BYTES
        while is_too_long and not text.endswith(b"\n") and text:
            text = stream.readline(MAX_LINE_BYTES)
        if number == 1:
            text = without_mark("the input", text)
        if is_too_long:
            yield FailedLine(
                number, InvalidValue(f"the line is over {MAX_LINE_BYTES:,} bytes long")
            )
        elif not text.isspace():
            try:
                yield _parse(number, text, intent, plain)
            except CatactlError as error:
                yield FailedLine(number, error)


def _parse(number: int, text: bytes, intent: Intent, plain: dict[str, Intent]) -> BatchLine:
    document = _load(text)
    name = document.get("command")
    operation = OPERATIONS.get(name) if isinstance(name, str) else None
    if operation is None:
        raise _no_such_command(name)
    del document["command"]
    common = {field: document.pop(field) for field in _COMMON if field in document}
    for field, value in common.items():
        _check_common(field, value)
    operation.check(document)
    if operation.creates == ("org" in common):
        message = "needs 'name' instead of 'org'" if operation.creates else "needs 'org'"
        raise InvalidValue(f"{operation.name} {message}")
    if "expected_version" in common and not operation.is_versioned:
        raise InvalidValue(f"{operation.name} has no 'expected_version'")
    key = common.get("key")
    if key is None and intent.idempotency_key is not None:
        key = f"{intent.idempotency_key}:{number}"
    if key is None and len(common) == 1:
        # Most lines have no common field except `org`. They share an intent per organization.
        own = plain.get(common["org"]) or replace(intent, org_ref=common["org"])
        plain[common["org"]] = own
        return BatchLine(number, operation, document, own)
    own = Intent(
        actor=common.get("actor", intent.actor),
        reason=common.get("reason", intent.reason),
        expected_version=common.get("expected_version"),
        dry_run=intent.dry_run,
        idempotency_key=key,
        org_ref=document["name"] if operation.creates else common["org"],
        request=operation.request(document) if key is not None else None,
    )
    return BatchLine(number, operation, document, own)


def _no_such_command(name: object) -> InvalidValue:
    if name is None:
        return InvalidValue("the line has no 'command'", 'as in {"command": "part.record", …}')
    if not isinstance(name, str):
        return InvalidValue("'command' is not a string")
    if name in _RUN_BY_THEMSELVES:
        by_itself = f"catactl {name.replace('.', ' ')}"
        return InvalidValue(f"{name} cannot be a line of apply", f"run it separately: {by_itself}")
    # Never suggest a destructive command.
    close = get_close_matches(name, [each for each in OPERATIONS if each not in _DESTROY], n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(OPERATIONS)}"
    return InvalidValue(f"no such command: {name!r}", hint)


def _check_common(field: str, value: Any) -> None:
    if field == "expected_version":
        if type(value) is not int or value < 0:
            raise InvalidValue("'expected_version' is not a whole number of at least 0")
    elif type(value) is not str:
        raise InvalidValue(f"{field!r} is not a string")
    elif field == "key":
        check_text(field, value, MAX_KEY_BYTES)
        if not value:
            raise InvalidValue("'key' is empty")
    else:
        check_text(field, value, MAX_TEXT_BYTES)


def _load(text: bytes) -> dict[str, Any]:
    try:
        document = _decoder.decode(text.decode())
    except UnicodeDecodeError as error:
        raise InvalidValue(f"the line is not UTF-8, from byte {error.start + 1} on") from None
    except json.JSONDecodeError as error:
        raise InvalidValue(
            f"the line is not JSON: {error.msg[:1].lower()}{error.msg[1:]} at column {error.colno}"
        ) from None
    except RecursionError:
        raise InvalidValue("the line cannot be read: it is nested too deeply") from None
    except ValueError as error:
        raise InvalidValue(f"the line cannot be read: {error}") from None
    if type(document) is not dict:
        raise InvalidValue("the line is not a JSON object")
    if b"\\u" in text:
        _check_escapes(document)
    return document


def _check_escapes(document: dict[str, Any]) -> None:
    """Raise `InvalidValue` for escapes in JSON that databases cannot store as text."""
    try:
        plain = json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidValue("the line contains half of a surrogate pair") from None
    if b"\\u0000" in plain.replace(b"\\\\", b""):  # an escaped backslash
        raise InvalidValue("the line contains the control character U+0000")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        duplicate = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{duplicate!r} occurs twice")
    return document


def _refuse(number: str) -> Any:
    raise ValueError(f"{number[:32]} is not a whole number")


def _whole(number: str) -> int:
    digits = len(number.lstrip("-"))
    if digits > _MAX_DIGITS:  # before Python raises an error of its own
        raise ValueError(f"a number has {digits:,} digits")
    return int(number)


_decoder = json.JSONDecoder(
    object_pairs_hook=_each_once, parse_float=_refuse, parse_constant=_refuse, parse_int=_whole
)
