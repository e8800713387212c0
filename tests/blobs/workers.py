"""Processes that use a directory in tests. They store content at the same time, and are killed."""

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from catactl.blobs.directory import Directory
from catactl.blobs.store import Mark
from tests.blobs.support import MARK, ORG, Folder, cut, key, pattern, read, wrong_names

# The system calls that store content.
_STEPS = ("open", "write", "fsync", "mkdir", "rename", "unlink")


def put_at_once(root: Path, raw: bytes, start: Barrier, pipe: Pipe) -> None:
    """Store content at the same time as the others, and report the result."""
    try:
        start.wait(60)
        pipe.send(Directory(root).put(ORG, cut(raw, 100_000)))
    except BaseException as error:
        pipe.send(repr(error))
    finally:
        pipe.close()


# --- kills ----------------------------------------------------------------------------------------

# Victims are forked by a process that has neither threads nor locks, which is fast.


def kill_writers(root: Path, rounds: int, writers: int, seed: int, pipe: Pipe) -> None:
    """Let writers store content at once and kill each at a random moment, round by round.

    Report the exit codes, and the final names whose content has another digest.
    """
    chance = random.Random(seed)
    ends: list[int] = []
    wrong: list[str] = []
    for _ in range(rounds):
        seeds = [chance.getrandbits(32) for _ in range(writers)]
        victims = [_fork(partial(_put_without_end, root, seed)) for seed in seeds]
        for victim in victims:
            time.sleep(chance.uniform(0, 0.015))
            os.kill(victim, signal.SIGKILL)
        ends += [_end_of(victim) for victim in victims]
        wrong += wrong_names(Folder(root))
    pipe.send((ends, wrong))


def kill_before_each_step(roots: Path, raw: bytes, pipe: Pipe) -> None:
    """Store content below `roots`/N and be killed before step N, for each step from zero.

    Report the number of killed processes when one ends by itself.
    """
    step = 0
    while _end_of(_fork(partial(_put_until_step, roots / str(step), raw, step))) != 0:
        step += 1
    pipe.send(step)


def _fork(work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def _end_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _put_without_end(root: Path, seed: int) -> None:
    """Store content in an endless loop, some of it the same as other processes store."""
    chance = random.Random(seed)
    blobs = Directory(root)
    while True:
        size_bytes = chance.choice((0, 10, 100_000, 1_000_000))
        is_shared = chance.random() < 0.3
        raw = pattern(size_bytes, 0 if is_shared else chance.getrandbits(32))
        blobs.put(ORG, cut(raw, 100_000))


def _put_until_step(root: Path, raw: bytes, step: int) -> None:
    left = step

    def counting(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return call(*arguments, **options)

        return counted

    for name in _STEPS:
        setattr(os, name, counting(getattr(os, name)))
    Directory(root).put(ORG, cut(raw, 100_000))


# --- another user ---------------------------------------------------------------------------------

GROUP = 54_000


def as_user(uid: int, work: Callable[[Path], None], root: Path, pipe: Pipe) -> None:
    """Call `work` as a user of the group, with the umask of users who share folders."""
    try:
        os.setgroups([])
        os.setgid(GROUP)
        os.setuid(uid)
        os.umask(0o002)
        work(root)
        pipe.send("done")
    except BaseException as error:
        pipe.send(repr(error))
    finally:
        pipe.close()


def store_and_leave(root: Path) -> None:
    """Store and mark content, and leave an unfinished file as a killed writer does."""
    blobs = Directory(root)
    for raw in (b"read", b"again", b"damaged", b"removed"):
        blobs.put(ORG, [raw])
    blobs.mark(ORG, MARK)
    Folder(root).write(key(b"damaged"), b"else")
    Folder(root).write(f"{ORG}/incoming/half", b"half")


def take_over(root: Path) -> None:
    """Read, replace and remove the content that another user stored."""
    blobs = Directory(root)
    for raw in (b"again", b"damaged", b"new"):
        blobs.put(ORG, [raw])
    for raw in (b"read", b"again", b"damaged", b"new"):
        assert read(blobs.open(ORG, key(raw).rpartition("/")[2])) == raw
    assert blobs.read_mark(ORG) == MARK
    blobs.mark(ORG, Mark(8, MARK.hash, MARK.database))
    assert blobs.read_mark(ORG) == Mark(8, MARK.hash, MARK.database)
    blobs.delete(ORG, [key(b"removed").rpartition("/")[2]])
    assert len(list(blobs.list(ORG))) == 4
    assert blobs.discard_abandoned(ORG) == 1
