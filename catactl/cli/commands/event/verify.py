"""catactl event verify"""

from catactl.cli.framework.command import Context, command
from catactl.cli.framework.options import OrgArguments
from catactl.cli.output.progress import Progress
from catactl.errors import Findings
from catactl.results.events import VerifiedLog
from catactl.results.result import WithError
from catactl.store import hash_chain, name_lookup


@command()
def verify(context: Context, orgs: OrgArguments = None) -> WithError[list[VerifiedLog]]:
    """Verify the hash chain of each log. The command finds events that were changed, removed,
    inserted or reordered in the table.

    If a chain is broken, the exit code is 6 and the message names the first wrong position.

    Example: catactl event verify acme
    """
    with context.reading() as conn:
        ids = [name_lookup.resolve_organization(conn, org) for org in orgs or ()]
        ids = ids or name_lookup.all_logs(conn)
    logs: list[VerifiedLog] = []
    with Progress(context, "verifying", "organization", len(ids)) as progress:
        for org_id in progress.counting(ids):
            with context.reading() as conn:
                verified, broken = hash_chain.verify(conn, org_id)
                name = name_lookup.organization_name(conn, org_id)
            logs.append(
                {
                    "org_id": str(org_id),
                    "name": name,
                    "events": verified,
                    "ok": broken is None,
                    "position": broken.position if broken is not None else None,
                    "problem": broken.problem if broken is not None else None,
                }
            )
    return WithError(logs, _error(logs))


def _error(logs: list[VerifiedLog]) -> Findings | None:
    broken = [log for log in logs if not log["ok"]]
    if not broken:
        return None
    first = broken[0]
    return Findings(
        f"{len(broken)} of {len(logs)} logs have a broken hash chain: {first['name']!r} breaks "
        f"at position {first['position']}: {first['problem']}",
        "compare with a backup: catactl event list ORG",
    )
