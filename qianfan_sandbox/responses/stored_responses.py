"""Responses: created by chat's model, kept with their conversation, continued by their id."""

import inspect
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from qfnb.wire import responses as wire
from qfnb.wire.chat import CHAT_V2

from ..http.call import HANDLERS, Call, Stream, emulates, parse_record
from ..http.refusals import v2_refusal
from ..state.store import Document, random_id
from .events import EventWriter, incomplete_details, write_events
from .items import Item, input_items, output_items, to_chat_request, to_usage, validate_outputs

KIND = "response"

DEFAULT_PAGE = 20
"""Items of a page without a limit."""


@emulates(wire.CREATE)
async def create(call: Call, body: wire.CreateResponse) -> dict[str, Any] | Stream:
    """Answer with chat's model; the answer is kept, unless `store` is false."""
    if call.world.modes.strict and not wire.has_responses(body.model):
        message = f"The model {body.model!r} is not available for the Responses API"
        raise v2_refusal("invalid_model", message, status=400)
    items = input_items(body)
    earlier = _conversation(call, body.previous_response_id)
    validate_outputs(call, items, earlier)
    chat_call = replace(call, endpoint=CHAT_V2)
    answer = HANDLERS[CHAT_V2.name](
        chat_call, parse_record(chat_call, to_chat_request(body, [*earlier, *items]))
    )
    if inspect.isawaitable(answer):
        answer = await answer
    response = _begin_response(call, body)
    save = partial(_save, call, response, items, is_kept=body.store is not False)
    if isinstance(answer, Stream):
        return Stream(write_events(EventWriter(response), answer.pieces, save))
    choice = answer["choices"][0]
    reason = choice.get("finish_reason")
    response |= {"output": output_items(choice["message"]), "usage": to_usage(answer.get("usage"))}
    response["incomplete_details"] = incomplete_details(reason)
    response["status"] = "incomplete" if response["incomplete_details"] else "completed"
    response |= {"sandbox": answer["sandbox"]} if "sandbox" in answer else {}
    save()
    return response


@emulates(wire.INFO)
def describe(call: Call, body: wire.ResponseRef) -> dict[str, Any]:
    """Return a stored response."""
    return dict(_find(call, call.path["response_id"])["response"])


@emulates(wire.DELETE)
def delete(call: Call, body: wire.ResponseRef) -> dict[str, Any]:
    """Delete a stored response."""
    id_ = str(_find(call, call.path["response_id"])["id"])
    call.world.store.remove(KIND, id_)
    return {"id": id_, "object": "response", "deleted": True}


@emulates(wire.INPUT_ITEMS)
def list_input_items(call: Call, body: wire.ListInputItems) -> dict[str, Any]:
    """List the items of a response's input, the newest first."""
    items = _find(call, call.path["response_id"])["input"]
    call.validate_choice("order", body.order or "desc", ("asc", "desc"))
    if body.limit is not None:
        call.validate_range("limit", body.limit, 1, wire.MAX_ITEMS_LIMIT)
    rows = items if body.order == "asc" else items[::-1]
    ids = [item["id"] for item in rows]
    for name, marker in (("after", body.after), ("before", body.before)):
        if marker and marker not in ids:
            raise call.invalid(name, f"{marker} is not in the list")
    start = ids.index(body.after) + 1 if body.after else 0
    end = ids.index(body.before) if body.before else len(rows)
    page = rows[start:end][: body.limit or DEFAULT_PAGE]
    ends = (
        {"first_id": page[0]["id"], "last_id": page[-1]["id"]}
        if page
        else {"first_id": None, "last_id": None}
    )
    return {"object": "list", "data": page, **ends, "has_more": start + len(page) < end}


def _conversation(call: Call, response_id: str | None) -> list[Item]:
    """Return the items before a request: the input and the output of each earlier response, the
    oldest first.
    """
    turns = list(_earlier_turns(call, response_id))
    return [
        item for turn in reversed(turns) for item in (*turn["input"], *turn["response"]["output"])
    ]


def _earlier_turns(call: Call, response_id: str | None) -> Iterator[Document]:
    while response_id:
        turn = _find(call, response_id)
        yield turn
        response_id = turn["response"]["previous_response_id"]


def _begin_response(call: Call, body: wire.CreateResponse) -> dict[str, Any]:
    return {
        "id": random_id("resp_", 24),
        "object": "response",
        "created_at": int(call.world.clock.now()),
        "model": body.model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "previous_response_id": body.previous_response_id,
        "output": [],
        "usage": None,
    }


def _save(call: Call, response: dict[str, Any], items: list[Item], *, is_kept: bool) -> None:
    if is_kept:
        call.world.store.add(KIND, response["id"], response=dict(response), input=items)


def _find(call: Call, response_id: str) -> Document:
    row: Document | None = call.world.store.get(KIND, response_id)
    if row is None:
        raise v2_refusal("response_not_found", f"No such response: {response_id}", status=404)
    return row
