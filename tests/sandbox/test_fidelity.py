"""The fidelity table: its rows are operations, its ticks were observed.

A new operation has no row until `make fidelity` is run the next time.
"""

import fnmatch

from support.evidence import find_misfit, has_shape
from support.fidelity import HEAD, TABLE, source_of
from support.fidelity_sources import GUESSES, PAGES, PAGES_BY_OPERATION, render_sources

from qfnb.wire.endpoints import ENDPOINTS


def test_every_row_is_an_operation():
    lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = [line.split("`")[1] for line in lines if line.startswith("| `")]
    assert names == sorted(set(names))
    assert names
    assert set(names) <= set(ENDPOINTS)


def test_it_says_where_each_shape_is_from():
    lines = [
        line for line in TABLE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")
    ]
    sources = {line.split("`")[1]: line.rsplit("|", 2)[1].strip() for line in lines}
    assert sources == {name: source_of(ENDPOINTS[name]) for name in sources}
    assert TABLE.read_text(encoding="utf-8").endswith(render_sources())


def test_sources_and_guesses_are_of_operations_that_exist():
    patterns = [
        *PAGES_BY_OPERATION,
        *(name for name, _ in GUESSES if not name.startswith("all of")),
    ]
    assert [pattern for pattern in patterns if not fnmatch.filter(ENDPOINTS, pattern)] == []
    assert {tag for tags in PAGES_BY_OPERATION.values() for tag in tags.split()} <= set(PAGES)


def test_it_says_that_no_live_account_was_used():
    page = TABLE.read_text(encoding="utf-8")
    assert page.startswith(HEAD)
    assert "No live account was used" in page


def test_no_record_fits_an_answer_that_has_nothing_of_it():
    shapes = {
        name: endpoint.result for name, endpoint in ENDPOINTS.items() if has_shape(endpoint.result)
    }
    assert [name for name, kind in shapes.items() if not find_misfit(kind, {"nonsense": 1})] == []
    assert {*ENDPOINTS} - {*shapes} == {"etl.create", "inference.stop", "service.v2.modify"}
