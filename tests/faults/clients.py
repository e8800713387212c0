"""Client processes that run commands while connections break, and keep what each command reported.

Each command has a token of its own: the reason of its events, or the address of its user. So the
database shows afterwards how often each command was done.
"""

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, NamedTuple

from catactl.store.sql import pipeline
from tests.cli.support import Result, run_in_process
from tests.support import BYTES_1

PART_BYTES = 1_024
USER = "user"
_CHARGED = "organization.storage_usage_changed"
WORTH_A_RETRY = (69, 75)
_PATIENCE_SECONDS = 60
# How long a client waits for a response of the server.
_COMMIT_TIMEOUT_SECONDS = 2.0
_PAUSE_SECONDS = 0.2


class Effect(NamedTuple):
    """An effect that must happen once: all event types that have `token` as reason, or USER for the
    user whose address begins with it.
    """

    token: str
    types: Counter[str]


class Attempt(NamedTuple):
    """A command that a client ran once or several times, and the report of the last run.

    `unknown` counts the runs that ended with an unknown outcome. `effects` are the effects of the
    command, each with its report: done, or not.
    """

    arguments: list[str]
    code: int
    stderr: str
    unknown: int
    effects: list[tuple[Effect, bool]]


class Client(NamedTuple):
    """The arguments of a client process: its number, and its organization."""

    number: int
    org: str
    folder: Path
    environment: dict[str, str]


def work(client: Client, over: Event, pipe: Pipe) -> None:
    """Run commands until it is over; report all attempts."""
    os.environ.clear()
    os.environ.update(client.environment)
    pipeline.COMMIT_TIMEOUT_SECONDS = _COMMIT_TIMEOUT_SECONDS
    chance = random.Random(client.number)
    kinds = [_record, _create, _user, _quota, _apply, _upload]
    attempts: list[Attempt] = []
    turn = 0
    while not over.is_set():
        kind = kinds[(turn + client.number) % len(kinds)]
        turn += 1
        attempts.append(kind(client, f"c{client.number}-{turn}-", turn, chance))
    pipe.send(attempts)
    pipe.close()


def _run(
    arguments: list[str], *, repeats: bool, stdin: Path = Path(os.devnull)
) -> tuple[Result, int]:
    """Run a command, repeatedly if it `repeats` while errors are temporary; count the runs whose
    outcome was unknown.
    """
    unknown = 0
    give_up_at = time.monotonic() + (_PATIENCE_SECONDS if repeats else 0)
    while True:
        with stdin.open("rb") as file:
            os.dup2(file.fileno(), 0)  # because uploads read standard input
        result = run_in_process(*arguments, "--json")
        unknown += "outcome_unknown" in result.stderr
        if result.code not in WORTH_A_RETRY or time.monotonic() > give_up_at:
            return result, unknown
        time.sleep(_PAUSE_SECONDS)


def _single(
    client: Client, token: str, chance: random.Random, effect: Effect, *arguments: object
) -> Attempt:
    """Run a command with one effect, every other time under a key and until it is done."""
    key = ["--idempotency-key", token] if chance.random() < 0.5 else []
    command = [*map(str, arguments), "--reason", token, *key]
    result, unknown = _run(command, repeats=bool(key))
    return Attempt(command, result.code, result.stderr, unknown, [(effect, result.code == 0)])


def _record(client: Client, token: str, turn: int, chance: random.Random) -> Attempt:
    effect = Effect(token, Counter(["file.part_uploaded", _CHARGED]))
    sizes = f"--size={turn}", f"--sha256={BYTES_1}"
    file = f"file-{client.number}"
    return _single(client, token, chance, effect, "part", "record", client.org, file, turn, *sizes)


def _create(client: Client, token: str, turn: int, chance: random.Random) -> Attempt:
    effect = Effect(token, Counter(["file.created", _CHARGED]))
    return _single(client, token, chance, effect, "file", "create", client.org, token)


def _user(client: Client, token: str, turn: int, chance: random.Random) -> Attempt:
    effect = Effect(token, Counter([USER]))
    email = f"{token}@example.com"
    return _single(client, token, chance, effect, "user", "add", client.org, email)


def _quota(client: Client, token: str, turn: int, chance: random.Random) -> Attempt:
    effect = Effect(token, Counter(["organization.quota_set"]))
    size = 10**12 + client.number * 10**6 + turn
    return _single(client, token, chance, effect, "quota", "set", client.org, size)


def _apply(client: Client, token: str, turn: int, chance: random.Random) -> Attempt:
    """Run lines in several transactions, some with enough rows to be copied."""
    is_keyed = chance.random() < 0.5
    is_atomic = chance.random() < 0.3
    count = chance.choice([6, 90])
    effects = [
        Effect(f"{token}{n}-", Counter(["file.created", _CHARGED])) for n in range(1, count + 1)
    ]
    lines = [
        {"command": "file.create", "org": client.org, "name": each.token, "reason": each.token}
        | ({"key": each.token} if is_keyed else {})
        for each in effects
    ]
    path = client.folder / f"{token}.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    command = ["apply", "--from", str(path), "--batch", str(count // 3)]
    command += ["--atomic"] if is_atomic else []
    result, unknown = _run(command, repeats=is_keyed)
    done = set(_done_lines(result))
    reported = [(effect, n in done) for n, effect in enumerate(effects, start=1)]
    return Attempt(command, result.code, result.stderr, unknown, reported)


def _done_lines(result: Result) -> Iterator[int]:
    rows: list[dict[str, Any]] = json.loads(result.stdout or "[]")
    return (row["line"] for row in rows if row["status"] == "ok")


def _upload(client: Client, token: str, turn: int, chance: random.Random) -> Attempt:
    """Upload a file or standard input in three parts; run it again until it is whole."""
    content = token.ljust(2 * PART_BYTES + 100, ".")
    types = Counter({"file.created": 1, "file.part_uploaded": 3, "file.completed": 1, _CHARGED: 4})
    path = client.folder / token
    path.write_text(content)
    source = chance.choice([str(path), "-"])
    command = ["file", "upload", client.org, source, "--name", token, "--reason", token]
    command += ["--part-size", str(PART_BYTES)]
    result, unknown = _run(command, repeats=True, stdin=path)
    reported = [(Effect(token, types), result.code == 0)]
    return Attempt(command, result.code, result.stderr, unknown, reported)
