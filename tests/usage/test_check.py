"""The check accepts exact usage, and finds differences."""

from sqlalchemy import Engine

from catactl.handling.handler import Handler
from catactl.store.sql.engine import reading
from catactl.usage.check import check
from tests.support import Usage, create_organization, usage
from tests.support import recompute as recompute_in_python
from tests.usage.tampering import filled


def test_unchanged_data_has_not_drifted(handler: Handler, engine: Engine) -> None:
    org_id = filled(handler)
    (comparison,) = check(engine, [org_id])
    assert not comparison.drifted
    assert usage(engine, org_id) == Usage(180, 2, 3)
    with reading(engine) as conn:
        assert recompute_in_python(conn, org_id) == Usage(180, 2, 3)


def test_comparisons_have_the_order_of_the_given_ids(handler: Handler, engine: Engine) -> None:
    ids = [create_organization(handler, f"org-{number}") for number in range(3)][::-1]
    assert [comparison.org_id for comparison in check(engine, ids)] == ids
