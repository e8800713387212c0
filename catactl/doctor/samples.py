"""Examine samples of the logs' hash chains, usage, and stored rows.

The size of a sample is limited, so that the examination is quick on any database.
"""

from collections.abc import Iterator

from sqlalchemy import Engine

from catactl.doctor.findings import Finding, ok, problem, skipped
from catactl.handling import row_check
from catactl.store import hash_chain, name_lookup, server_status
from catactl.store.sql.engine import reading
from catactl.usage import check

LOGS = 20
EVENTS = 1_000
SHORT_LOG_EVENTS = 5_000


def log(engine: Engine) -> Iterator[Finding]:
    """Verify the ends of the hash chains that were written last."""
    with reading(engine) as conn:
        total = server_status.count_logs(conn)
        known = len(name_lookup.all_logs(conn))
        if known > total:
            yield problem(
                f"{_organizations(known - total)} have lost the heads of their logs",
                "restore them from a backup; to list them: catactl event verify",
            )
            return
        sample = server_status.newest_logs(conn, LOGS)
        for log in sample:
            after = max(log.position - EVENTS, 0)
            _, broken = hash_chain.verify(conn, log.org_id, after)
            if broken is not None:
                name = name_lookup.organization_name(conn, log.org_id)
                yield problem(
                    f"the hash chain of {name!r} breaks at position "
                    f"{broken.position}: {broken.problem}",
                    f"compare with a backup: catactl event verify {log.org_id}",
                )
                return
    if all(log.position <= EVENTS for log in sample) and total == len(sample):
        yield ok(f"the hash chains of {_organizations(total)} are intact")
    else:
        yield ok(
            f"the last {EVENTS:,} events of {len(sample)} of {_organizations(total)} are intact; "
            "the sample has the logs that changed last; to verify all events: catactl event verify"
        )


def usage(engine: Engine) -> Iterator[Finding]:
    """Compare the usage of some organizations with their events. Skip long logs, because reading
    them takes long.
    """
    with reading(engine) as conn:
        total = server_status.count_logs(conn)
        sample = server_status.newest_logs(conn, LOGS, SHORT_LOG_EVENTS)
        compared = check.compare(conn, [log.org_id for log in sample])
    drifted = [each for each in compared if each.drifted]
    if drifted:
        yield problem(
            f"usage differs from the events in {len(drifted)} of "
            f"{_organizations(len(compared))}, among them {drifted[0].name!r}",
            "catactl usage check, then catactl usage recompute",
        )
    else:
        yield _exact("usage", len(compared), total, SHORT_LOG_EVENTS, "usage check")


def rows(engine: Engine) -> Iterator[Finding]:
    """Compare the stored rows of some organizations with all of their events."""
    with reading(engine) as conn:
        total = server_status.count_logs(conn)
        sample = server_status.newest_logs(conn, LOGS, EVENTS)
        compared = [row_check.compare(conn, log.org_id) for log in sample]
    differing = [each for each in compared if each.differs]
    if differing:
        yield problem(
            f"stored rows differ from the events in {len(differing)} of "
            f"{_organizations(len(compared))}, among them {differing[0].name!r}",
            "catactl projection check, then catactl projection rebuild",
        )
    else:
        yield _exact("every stored row", len(compared), total, EVENTS, "projection check")


def _exact(subject: str, compared: int, total: int, events: int, command: str) -> Finding:
    """Return the finding that a sample has no differences, with the size of the sample."""
    if total and not compared:
        return skipped(
            f"every log has more than {events:,} events; to compare all logs: catactl {command}"
        )
    if compared == total:
        return ok(f"{subject} of {_organizations(total)} is exact")
    return ok(
        f"{subject} of {compared} of {_organizations(total)} is exact; the sample has the logs "
        f"that changed last and have at most {events:,} events; to compare all logs: "
        f"catactl {command}"
    )


def _organizations(count: int) -> str:
    return f"{count:,} organization{'' if count == 1 else 's'}"
