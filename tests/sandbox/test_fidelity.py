"""The fidelity table: its rows are operations, its ticks were observed.

A new operation has no row until `make fidelity` is run the next time.
"""

import asyncio
import fnmatch

import pytest
from support.evidence import Evidence, EvidenceMiddleware, find_misfit, has_shape, is_page_cut
from support.fidelity import HEAD, TABLE, merge_evidence, render_table, source_of
from support.fidelity_sources import GUESSES, PAGES, PAGES_BY_OPERATION, render_sources

from qfnb.wire.base import MarkedPage
from qfnb.wire.endpoints import ENDPOINTS
from qfnb.wire.prompt import MemoryRecord


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


def test_the_middleware_records_how_a_call_ended(tmp_path):
    async def inner(scope, receive, send):
        scope["state"] = {"operation": "tokenizer.v1", "outcome": "good"}
        await send(
            {"type": "http.response.start", "headers": [(b"content-type", b"application/json")]}
        )
        await send(
            {
                "type": "http.response.body",
                "body": b'{"id": "as-1", "object": "x", "created": 1, "usage": {"total_tokens": 1}, "status": "Done"}',
            }
        )

    async def send(message):
        sent.append(message["type"])

    sent = []
    evidence = Evidence(tmp_path)
    scope = {"type": "http", "headers": [(b"user-agent", b"OpenAI/Python 1")]}
    asyncio.run(EvidenceMiddleware(inner, evidence)(scope, None, send))
    assert sent == ["http.response.start", "http.response.body"]
    assert merge_evidence(tmp_path) == {
        "tokenizer.v1": {"good": 1, "openai": 1, "shape": 1, "states": {"status": ["Done"]}}
    }


def test_no_record_fits_an_answer_that_has_nothing_of_it():
    shapes = {
        name: endpoint.result for name, endpoint in ENDPOINTS.items() if has_shape(endpoint.result)
    }
    assert [name for name, kind in shapes.items() if not find_misfit(kind, {"nonsense": 1})] == []
    assert {*ENDPOINTS} - {*shapes} == {"etl.create", "inference.stop", "service.v2.modify"}


def test_an_answer_without_a_field_that_may_not_be_null_does_not_fit():
    whole = {"systemMemoryId": "sm-1", "appId": "7", "description": "", "memories": []}
    assert find_misfit(MemoryRecord, whole) == ""
    assert (
        find_misfit(MarkedPage[MemoryRecord], {"items": [whole, {"systemMemoryId": "sm-2"}]})
        == "items[].app_id is absent"
    )
    assert "memories" in find_misfit(MemoryRecord, whole | {"memories": 7})


@pytest.mark.parametrize(
    ("answer", "is_cut"),
    [
        ({"items": [1, 2], "total": 2}, False),
        ({"items": [1, 2], "total": 3}, True),
        ({"list": [], "pageInfo": {"maxKeys": 10, "isTruncated": False}}, False),
        ({"list": [1], "pageInfo": {"maxKeys": 1, "isTruncated": True}}, True),
        ({"data": [1], "has_more": True}, True),
        ([1, 2], False),
    ],
)
def test_a_page_was_cut_only_where_more_existed(answer, is_cut):
    assert is_page_cut(answer) is is_cut


def test_what_several_servers_saw_is_put_together(tmp_path):
    (tmp_path / "a.json").write_text('{"chat.v2": {"good": 1, "states": {"status": ["A"]}}}')
    (tmp_path / "b.json").write_text(
        '{"chat.v2": {"good": 2, "sdk": 1, "states": {"status": ["B", "A"]}}}'
    )
    assert merge_evidence(tmp_path) == {
        "chat.v2": {"good": 3, "sdk": 1, "states": {"status": ["A", "B"]}}
    }


def line(evidence, name):
    return next(row for row in render_table(evidence).splitlines() if row.startswith(f"| `{name}`"))


def test_a_tick_needs_to_have_been_seen():
    evidence = {"chat.v2": {"shape": 1}}
    assert ["✓" in line(evidence, name) for name in ("chat.v2", "chat.v1")] == [True, False]


def test_an_answer_that_does_not_fit_takes_the_tick_away():
    assert "✓" not in line({"chat.v2": {"shape": 1, "misfit": "x"}}, "chat.v2")
