"""Examine samples of the logs' hash chains, usage, and stored rows. The samples are bounded, so
that they are quick on any database.
"""

from collections.abc import Iterator

from sqlalchemy import Engine

from catactl.doctor.said import Said, ok, problem, skipped
from catactl.handling import row_check
from catactl.store import event_log, name_lookup, server_status
from catactl.store.sql.engine import reading
from catactl.usage import check

LOGS = 20
EVENTS = 1_000
SHORT_LOG_EVENTS = 5_000


def log(engine: Engine) -> Iterator[Said]:
    """Walk the ends of the chains that were written last."""
    with reading(engine) as conn:
        total = server_status.count_logs(conn)
        known = len(name_lookup.all_logs(conn))
        if known > total:
            yield problem(
                f"{_organizations(known - total)} have lost their logs' heads",
                "restore them from a backup; which they are: catactl event verify",
            )
            return
        sample = server_status.newest_logs(conn, LOGS)
        for log in sample:
            after = max(log.position - EVENTS, 0)
            _, found = event_log.verify(conn, log.org_id, after)
            if found is not None:
                name = name_lookup.organization_name(conn, log.org_id)
                yield problem(
                    f"the log of {name!r} does not prove itself: it breaks at position "
                    f"{found.position}: {found.problem}",
                    f"compare with a backup: catactl event verify {log.org_id}",
                )
                return
    if all(log.position <= EVENTS for log in sample) and total == len(sample):
        yield ok(f"every event of {_organizations(total)} proves itself")
    else:
        yield ok(
            f"the last {EVENTS:,} events of {len(sample)} of {_organizations(total)}, those that "
            "changed last, prove themselves; for all: catactl event verify"
        )


def usage(engine: Engine) -> Iterator[Said]:
    """Compare the usage of some organizations with their events; long logs take long."""
    with reading(engine) as conn:
        total = server_status.count_logs(conn)
        sample = server_status.newest_logs(conn, LOGS, SHORT_LOG_EVENTS)
        findings = check.compare(conn, [log.org_id for log in sample])
    drifted = [finding for finding in findings if finding.drifted]
    if drifted:
        yield problem(
            f"usage is not what the events add up to in {len(drifted)} of "
            f"{_organizations(len(findings))}, among them {drifted[0].name!r}",
            "catactl usage check, then catactl usage recompute",
        )
    else:
        yield _agrees("usage", len(findings), total, SHORT_LOG_EVENTS, "usage check")


def rows(engine: Engine) -> Iterator[Said]:
    """Compare the stored rows of some organizations with all of their events."""
    with reading(engine) as conn:
        total = server_status.count_logs(conn)
        sample = server_status.newest_logs(conn, LOGS, EVENTS)
        found = [row_check.compare(conn, log.org_id) for log in sample]
    differing = [checked for checked in found if checked.differs]
    if differing:
        yield problem(
            f"stored rows differ from the events in {len(differing)} of "
            f"{_organizations(len(found))}, among them {differing[0].name!r}",
            "catactl projection check, then catactl projection rebuild",
        )
    else:
        yield _agrees("every stored row", len(found), total, EVENTS, "projection check")


def _agrees(what: str, compared: int, total: int, events: int, command: str) -> Said:
    """Return the observation that a sample was right, with the size of the sample."""
    if total and not compared:
        return skipped(f"every log has over {events:,} events; to compare all: catactl {command}")
    if compared == total:
        return ok(f"{what} of {_organizations(total)} is exact")
    return ok(
        f"{what} of {compared} of {_organizations(total)}, those that changed last with at most "
        f"{events:,} events, is exact; for all: catactl {command}"
    )


def _organizations(count: int) -> str:
    return f"{count:,} organization{'' if count == 1 else 's'}"
