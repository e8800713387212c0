"""Run worker threads that read and store content."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

_PREFIX = "catactl-worker"


@contextmanager
def workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of worker threads, and wait for its work at the end. After an error, cancel the
    queued work and do not wait, because a worker may hang in a request to a server.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=_PREFIX)
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def are_running() -> bool:
    """Return whether a worker is running. The process would wait for it before it ends."""
    return any(thread.name.startswith(_PREFIX) for thread in threading.enumerate())
