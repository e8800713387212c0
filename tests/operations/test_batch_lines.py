"""Lines of JSON become commands. An invalid line fails alone, with a message."""

import io
import json
from collections.abc import Mapping

import pytest

from catactl.errors import InvalidValue
from catactl.handling.intent import Intent
from catactl.operations.batch_lines import MAX_LINE_BYTES, BatchLine, FailedLine, read_lines
from tests.support import BYTES_1, INTENT

_GOOD = {"command": "file.create", "org": "acme", "name": "a"}
_PART = {
    "command": "part.record",
    "org": "acme",
    "file": "a",
    "number": 1,
    "size_bytes": 1,
    "sha256": BYTES_1,
}


def _read(text: bytes, intent: Intent = INTENT) -> list[BatchLine | FailedLine]:
    return list(read_lines(io.BytesIO(text), intent))


def _as_line(document: object) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _only_line(text: bytes, intent: Intent = INTENT) -> BatchLine:
    (line,) = _read(text, intent)
    assert isinstance(line, BatchLine), line
    return line


def _error(text: bytes) -> InvalidValue:
    """Return the error of the first of two lines, and check that the second is valid."""
    failed, line = _read(text.removesuffix(b"\n") + b"\n" + _as_line(_GOOD))
    assert isinstance(failed, FailedLine), failed
    assert isinstance(line, BatchLine)
    assert (failed.number, line.number) == (1, 2)
    assert isinstance(failed.error, InvalidValue)
    return failed.error


_CREATE = b'{"command": "file.create", "org": "acme", "name": '


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"file.create acme a", "the line is not JSON: expecting value at column 1"),
        (b'{"command": "file.create"', "the line is not JSON: expecting ',' delimiter at column"),
        (_as_line(_GOOD)[:-1] * 2, "the line is not JSON: extra data at column"),
        (b"[]", "the line is not a JSON object"),
        (b"null", "the line is not a JSON object"),
        (_CREATE + b'"a", "name": "b"}', "the line cannot be read: 'name' occurs twice"),
        (_CREATE + b"1.0}", "the line cannot be read: 1.0 is not a whole number"),
        (_CREATE + b"NaN}", "the line cannot be read: NaN is not a whole number"),
        (_CREATE + b"-Infinity}", "the line cannot be read: -Infinity is not a whole number"),
        (_CREATE + b"9" * 5_000 + b"}", "the line cannot be read: a number has 5,000 digits"),
        (_CREATE + b"-" + b"9" * 5_000 + b"}", "a number has 5,000 digits"),
        (_CREATE + b"[" * 100_000, "the line cannot be read: it is nested too deeply"),
        (_CREATE + b'"\xff"}', "the line is not UTF-8, from byte 52 on"),
        (b"{" + b" " * MAX_LINE_BYTES + b"}", "the line is over 1,048,576 bytes long"),
        (b"{" + b" " * MAX_LINE_BYTES * 3 + b"}", "the line is over 1,048,576 bytes long"),
        (_CREATE + rb'"\ud83d"}', "the line contains half of a surrogate pair"),
        (_CREATE + rb'"a\u0000"}', "the line contains the control character U+0000"),
        (rb'{"\u0000": 1}', "the line contains the control character U+0000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_that_is_not_an_object_of_whole_numbers_and_text_is_an_error(
    text: bytes, message: str
) -> None:
    assert message in _error(text).message


@pytest.mark.parametrize(
    ("document", "message", "hint"),
    [
        ({"org": "acme"}, "the line has no 'command'", 'as in {"command": "part.record", …}'),
        ({"command": 1}, "'command' is not a string", None),
        ({"command": "file.creat"}, "no such command: 'file.creat'", "did you mean 'file.create'?"),
        ({"command": "file create"}, "no such command: 'file create'", "'file.create'"),
        ({"command": "zzz"}, "no such command: 'zzz'", "known: org.create, "),
        (
            {"command": "file.upload"},
            "file.upload cannot be a line of apply",
            "catactl file upload",
        ),
        ({"command": "apply"}, "apply cannot be a line of apply", "catactl apply"),
        ({**_PART, "sha": 1}, "part.record has no argument 'sha'", "did you mean 'sha256'?"),
        ({**_GOOD, "zzz": 1}, "file.create has no argument 'zzz'", "its arguments: name, if_not_"),
        (
            {"command": "quota.clear", "org": "acme", "zzz": 1},
            "quota.clear has no argument 'zzz'",
            "its arguments: none",
        ),
        (
            {"command": "file.create", "org": "acme"},
            "file.create needs 'name', a string",
            None,
        ),
        ({**_GOOD, "name": 1}, "'name' is not a string", None),
        ({**_GOOD, "name": None}, "'name' is not a string", None),
        ({**_GOOD, "if_not_exists": 1}, "'if_not_exists' is not true or false", None),
        ({**_PART, "number": True}, "'number' is not a whole number", None),
        ({**_PART, "number": "1"}, "'number' is not a whole number", None),
        (
            {"command": "job.update", "org": "acme", "job": "j", "cpu_millis": "1"},
            "'cpu_millis' is not a whole number or null",
            None,
        ),
        (
            {"command": "job.update", "org": "acme", "job": "j", "inputs": "a"},
            "'inputs' is not a list of strings",
            None,
        ),
        (
            {"command": "job.update", "org": "acme", "job": "j", "env": {"A": 1}},
            "'env' is not an object of strings",
            None,
        ),
        ({"command": "file.create", "name": "a"}, "file.create needs 'org'", None),
        (
            {"command": "org.create", "org": "acme", "name": "acme"},
            "org.create needs 'name' instead of 'org'",
            None,
        ),
        ({**_GOOD, "org": None}, "'org' is not a string", None),
        ({**_GOOD, "key": ""}, "'key' is empty", None),
        ({**_GOOD, "key": 1}, "'key' is not a string", None),
        ({**_GOOD, "key": "k" * 257}, "key is 257 bytes long, at most 256 are allowed", None),
        ({**_GOOD, "key": "a\nb"}, "key contains the control character U+000A", None),
        ({**_GOOD, "actor": "\x1b[31m"}, "actor contains the control character U+001B", None),
        ({**_GOOD, "reason": "\u202e"}, "reason contains the control character U+202E", None),
        ({**_GOOD, "reason": "r" * 4_097}, "reason is 4,097 bytes long", None),
        (
            {**_GOOD, "expected_version": -1},
            "'expected_version' is not a whole number of at least 0",
            None,
        ),
        ({**_GOOD, "expected_version": True}, "'expected_version' is not a whole number", None),
        (
            {"command": "user.disable", "org": "acme", "user": "a@b.c", "expected_version": 1},
            "user.disable has no 'expected_version'",
            None,
        ),
        (
            {"command": "org.create", "name": "acme", "expected_version": 0},
            "org.create has no 'expected_version'",
            None,
        ),
    ],
)
def test_a_line_with_an_unknown_command_or_field_is_an_error(
    document: object, message: str, hint: str | None
) -> None:
    error = _error(_as_line(document))
    assert message in error.message
    assert (hint or "") in (error.hint or "")


def test_empty_lines_are_skipped_and_counted_and_the_last_needs_no_end() -> None:
    text = b"\n" + _as_line(_GOOD) + b" \t\r\n\n" + _as_line(_PART).rstrip()
    assert [line.number for line in _read(text)] == [2, 5]
    assert _read(b"") == _read(b"\n\n") == []


def test_the_first_line_may_begin_with_a_mark_and_no_other() -> None:
    mark = b"\xef\xbb\xbf"
    first, second = _read(mark + _as_line(_GOOD) + mark + _as_line(_GOOD))
    assert isinstance(first, BatchLine)
    assert isinstance(second, FailedLine)
    assert "not JSON" in second.error.message
    assert _read(mark + b"\n") == []


def test_a_line_of_the_longest_length_is_read() -> None:
    text = _as_line(_GOOD).rstrip()
    padding = b" " * (MAX_LINE_BYTES - len(text) - 1)
    assert _only_line(text + padding + b"\n").number == 1


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_input_in_another_encoding_is_refused_as_a_whole(encoding: str) -> None:
    text = "\ufeff" + _as_line(_GOOD).decode()
    with pytest.raises(InvalidValue, match=f"the input is encoded in {encoding[:6].upper()}"):
        _read(text.encode(encoding))


@pytest.mark.parametrize("reason", ["\\u0000", "a\\\\u0000", "\\\\"])
def test_a_text_that_looks_like_an_escape_is_unchanged(reason: str) -> None:
    assert _only_line(_as_line(_GOOD | {"reason": reason})).intent.reason == reason


def test_actor_and_reason_of_a_line_override_those_of_the_caller() -> None:
    caller = Intent("caller", reason="all", dry_run=True)
    own = {"actor": "me", "reason": "mine", "expected_version": 3, "key": "k"}
    intent = _only_line(_as_line(_GOOD | own), caller).intent
    assert (intent.actor, intent.reason, intent.expected_version) == ("me", "mine", 3)
    assert (intent.dry_run, intent.idempotency_key, intent.org_ref) == (True, "k", "acme")
    intent = _only_line(_as_line(_GOOD), caller).intent
    assert (intent.actor, intent.reason, intent.expected_version) == ("caller", "all", None)
    assert (intent.dry_run, intent.idempotency_key) == (True, None)


def test_lines_without_a_key_are_numbered_under_the_callers() -> None:
    text = _as_line(_GOOD) + b"\n" + _as_line(_GOOD | {"key": "own"}) + _as_line(_GOOD)
    lines = _read(text, Intent("caller", idempotency_key="all"))
    keys = [line.intent.idempotency_key for line in lines if isinstance(line, BatchLine)]
    assert keys == ["all:1", "own", "all:4"]


def test_an_invalid_key_of_the_caller_is_refused_before_any_line() -> None:
    with pytest.raises(InvalidValue, match="idempotency key is 257 bytes long"):
        _read(_as_line(_GOOD), Intent("caller", idempotency_key="k" * 257))


def test_a_key_includes_the_command_and_its_arguments_in_any_order() -> None:
    def fingerprint(document: Mapping[str, object]) -> str:
        request = _only_line(_as_line({**document, "key": "k"})).intent.keyed_request
        assert request is not None
        return request.fingerprint

    assert fingerprint(_PART) == fingerprint(dict(reversed(_PART.items())))
    assert fingerprint(_PART) == fingerprint(_PART | {"reason": "again"})
    assert fingerprint(_PART) != fingerprint(_PART | {"number": 2})
    assert fingerprint(_PART) != fingerprint(_GOOD)
