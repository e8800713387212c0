"""catactl projection list"""

from sqlalchemy import func, select

from catactl.cli.framework.command import Context, command
from catactl.results.projections import ProjectionResult
from catactl.store import codec
from catactl.store.tables import files, job_configurations, organizations

_STATE_TABLES = (organizations, files, job_configurations)


@command()
def list_(context: Context) -> list[ProjectionResult]:
    """List the projections with their events and numbers of rows, and the state tables, which
    `list` and `show` read.

    Example: catactl projection list
    """
    from catactl.handling.replay import STATES
    from catactl.wiring.flow import PROJECTIONS, listens

    with context.reading() as conn:
        counts = {
            table: conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (*(projection.TABLE for projection in PROJECTIONS), *_STATE_TABLES)
        }
    projections: list[ProjectionResult] = [
        {
            "name": projection.NAME,
            "listens": [codec.EVENT_NAMES[event] for event in listens(projection)],
            "rows": counts[projection.TABLE],
        }
        for projection in PROJECTIONS
    ]
    state_rows = sum(counts[table] for table in _STATE_TABLES)
    return [
        *projections,
        {"name": STATES, "listens": list(codec.EVENT_CLASSES), "rows": state_rows},
    ]
