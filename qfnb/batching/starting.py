"""`qfnb.batch`, `qfnb.resume`, `qfnb.batches`: check everything that can be checked, then start."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Unpack

from ..errors import InvalidArgumentError
from ..resources import options as checks
from ..resources.chat import ChatCompletion
from ..resources.crew import checked_size
from ..resources.options import ChatOptions
from ..wire import catalog
from . import arguments, export, reading
from .arguments import Others
from .batch import Batch
from .feed import PAGE, Chain, FromJournal, FromMemory, Page
from .journal import Journal
from .journals import known, path_of, plan_of
from .order import Order
from .plan import Plan, name_of
from .reading import JournalError
from .row import Entry, Pending
from .services import Via
from .source import Item, Source, source_of
from .survey import Preflight, Survey, look_ahead, numbered, priced, survey

Rows = Any
"""A DataFrame or Series, a .jsonl, .csv or .parquet path, or an iterable of prompts, conversations or
dictionaries."""


def batch(
    rows: Rows,
    prompt: str | None = None,
    *,
    model: str | None = None,
    endpoint: str | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    workers: int | None = None,
    budget: float | None = None,
    dedupe: bool = False,
    canary: int = 3,
    wrong_rows: Literal["refuse", "keep"] = "refuse",
    update: bool = False,
    asking: ChatCompletion | None = None,
    mode: Literal["online", "offline"] = "online",
    offline_via: Via | None = None,
    request_timeout: float | None = None,
    retry_count: int | None = None,
    **options: Unpack[ChatOptions],
) -> Batch:
    """Ask a model about every row, and lose nothing: starts at once and returns the batch under way.

    Every answer is in a journal on disk before it is counted. The same call again, in a new kernel too, asks
    only for what is missing.

    Args:
        rows: a DataFrame or Series; a .jsonl, .csv or .parquet path; or any iterable of prompts,
            conversations or dictionaries, which is read while it is asked when it has no length.
        prompt: a template over the columns, `"Classify: {review}"`; without one the rows are prompts, or
            have a column `prompt` or `messages`.
        model: who is asked, as in `ChatCompletion`.
        endpoint: a service of your own instead.
        out: a .jsonl, .csv or .parquet file that inputs and results are written to at the end.
        name: of the journal; by default made from what is asked.
        workers: rows asked at once, 1 to 1000, default 8.
        budget: CNY that the batch may cost in all; it stops cleanly before that is exceeded.
        dedupe: ask identical rows once.
        canary: rows that are asked first; when all of them fail the others are not asked. 0 for none.
        wrong_rows: `refuse` the batch when a row cannot be asked (NaN, empty), or `keep` it as a failed row.
        update: the input of a named journal has changed: keep what still fits, drop the rest.
        asking: a `ChatCompletion` with keys or a base_url of its own.
        mode: `offline` hands the rows to the platform's batch service, at 40 % of the price and without
            waiting for each; answers come when a job is over, and rows without one are asked online.
        offline_via: `files` (/v2/batches, an API key) or `bos` (your own bucket, an IAM pair); by default
            what the keys allow.
        request_timeout: seconds of one row, as in `ChatCompletion.do`.
        retry_count: tries of one row.
        **options: of `ChatCompletion.do`, `system` among them.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong; nothing was sent.
        JournalError: the journal is in use, of another batch, or cannot be written.
    """
    arguments.check(
        name=name,
        canary=canary,
        wrong_rows=wrong_rows,
        update=update,
        mode=mode,
        offline_via=offline_via,
        request_timeout=request_timeout,
        retry_count=retry_count,
    )
    plan = _plan(asking, prompt, model, endpoint, dedupe, options)
    asking = asking or ChatCompletion()
    size, budget = checked_size("workers", workers), arguments.checked_budget(budget, plan)
    if out is not None:
        export.checked(out)  # before a long input is looked at
    via = arguments.via_of(mode, offline_via, asking)
    source, found, streamed = _surveyed(rows, plan)
    target = arguments.target_of(out, source)
    if wrong_rows == "refuse":
        found.refuse_wrong_rows()
    path = path_of(name or f"batch-{found.digest}")
    journal = Journal(path)
    try:
        page = _load(journal, plan, source, found, streamed is not None, update)
        journal.set(offline=via or "")
        preflight = _preflight(journal, plan, source, found, size, budget, streamed is not None)
    except BaseException:
        journal.close()
        raise
    order = Order(path, plan, asking, source, preflight, streamed, size, budget, canary, target, update)
    order = replace(order, request_timeout=request_timeout, retry_count=retry_count, offline=via)
    return Batch(order, journal, page)


async def abatch(rows: Rows, prompt: str | None = None, **options: Any) -> Batch:
    """The awaited form of `batch`: returns when every row has finished."""
    return await batch(rows, prompt, **options)


def estimate(
    rows: Rows,
    prompt: str | None = None,
    *,
    model: str | None = None,
    endpoint: str | None = None,
    budget: float | None = None,
    dedupe: bool = False,
    asking: ChatCompletion | None = None,
    **others: Unpack[Others],
) -> Preflight:
    """Return what `batch` would do with the same arguments: rows, repetitions, tokens, cost; nothing is sent.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong.
    """
    options = arguments.check_others(others)
    plan = _plan(asking, prompt, model, endpoint, dedupe, options)
    budget = arguments.checked_budget(budget, plan)
    source, found, _ = _surveyed(rows, plan)
    to_ask = found.rows - found.wrong - (found.repeated if plan.dedupe else 0)
    whole = source.total if source.total is not None else found.rows if found.complete else None
    return priced(plan, found, whole, to_ask, cached=0, each=None, budget=budget)


def resume(name: str, *, workers: int | None = None, budget: float | None = None) -> Batch:
    """Go on with a batch by its name, without its input: what was read of it is in the journal.

    Raises:
        InvalidArgumentError: there is no such batch.
        JournalError: it is under way elsewhere, or belongs to another platform.
    """
    path = known(name)
    plan = plan_of(path, reading.facts_of(path)[0].get("plan", "{}"))
    now = name_of(ChatCompletion().situation())
    if plan.platform != now:
        raise JournalError(
            f"the batch {name!r} was asked of {plan.platform}, and calls go to {now} now "
            "(平台不同，不能混用答案)"
        )
    size, spend = checked_size("workers", workers), arguments.checked_budget(budget, plan)
    journal = Journal(path)
    counts, missing, wrong = journal.counts(), journal.count_missing(), reading.wrong_rows(path)
    cached = counts.rows - missing - wrong
    preflight = Preflight(
        counts.rows, missing, cached, wrong=wrong, model=plan.endpoint or plan.model or "", budget=budget
    )
    notes = () if journal.fact("complete") == "1" else (UNREAD,)
    order = Order(path, plan, ChatCompletion(), None, preflight, None, size, spend, notes=notes)
    via: Any = journal.fact("offline") or None
    order = replace(order, offline=via)
    return Batch(order, journal)


UNREAD = "输入尚未读完，重新运行原单元格 / the input was not read to its end: run its cell for the rest"


def _plan(
    asking: ChatCompletion | None,
    prompt: str | None,
    model: str | None,
    endpoint: str | None,
    dedupe: bool,
    options: Mapping[str, Any],
) -> Plan:
    arguments.check(asking=asking, model=model, endpoint=endpoint, dedupe=dedupe)
    asking = asking or ChatCompletion()
    if prompt is not None and (not isinstance(prompt, str) or not prompt.strip()):
        raise InvalidArgumentError(f"prompt={prompt!r}: it is a template with {{column}} in it, or left out")
    if options.get("stream"):
        raise InvalidArgumentError("stream=True: the rows of a batch come as wholes")
    model, endpoint = asking.named(model, endpoint)
    given = checks.check(options)
    chosen = model or (None if endpoint else catalog.DEFAULT_CHAT)
    plan = Plan(name_of(asking.situation()), chosen, endpoint, prompt, given, dedupe)
    assert plan.template is None or plan.template.text == prompt
    asking.ask("?", model, endpoint, **given)  # what is wrong with the options is wrong with every row
    return plan


def _surveyed(rows: Rows, plan: Plan) -> tuple[Source, Survey, Iterator[Item] | None]:
    """Look at the input; return it with what was found, and what is left to read of one that is streamed."""
    source = source_of(rows)
    plan.check(source)
    if source.again:
        found = survey(plan, source.items(), whole=True)
        streamed = None
    else:
        items = source.items()
        first, ended = look_ahead(items)
        found = survey(plan, first, whole=ended)
        streamed = chain(first, items)
    if not found.rows:
        raise InvalidArgumentError(f"there are no rows in it ({source.description})")
    return source, found, streamed


def _load(
    journal: Journal, plan: Plan, source: Source, found: Survey, streamed: bool, update: bool
) -> Page | None:
    """Put the rows into the journal, unless it is another batch's; return how they are asked from there.

    Raises:
        JournalError: the journal has other inputs or was asked otherwise.
    """
    if (before := journal.fact("plan")) and not update:
        _refuse_other_plan(journal, plan, plan_of(journal.path, before))
    wrong = journal.other(found.first) if before and streamed and not update else 0
    page = None
    with journal.writing():
        journal.start_over(keep_rows=streamed)
        if not streamed:
            page = _add_all(journal, plan, source, found.first)
            wrong = 0 if update else journal.strangers()
            if update:
                journal.drop_strangers()
        if wrong:
            raise JournalError(
                f"the journal {journal.path.stem!r} has answers to {wrong} rows that are not in this input: "
                "give this one another name (--name), or drop them (update=True, --update) (输入与日志不符)"
            )
    facts = {"plan": plan.to_json(), "input": source.description, "complete": int(not streamed)}
    journal.set(**facts, created=journal.fact("created") or time.time())
    return page


def _add_all(journal: Journal, plan: Plan, source: Source, first: list[Entry]) -> Page:
    """Add all rows; the `first` were read already, and need not be read from the journal again either."""
    further = numbered(plan, islice(source.items(), len(first), None), len(first))
    entries, missing = chain(first, (entry for entry, _ in further)), list[Pending]()
    seen, after = dict[bytes, int](), -1
    while rows := list(islice(entries, PAGE)):
        found = journal.add(rows, dedupe=plan.dedupe, seen=seen)
        if rows[0].number < len(first):
            missing += found
            after = rows[-1].number
    return Chain(FromMemory(missing), FromJournal(journal, after=after))


def _refuse_other_plan(journal: Journal, plan: Plan, known: Plan) -> None:
    if different := plan.differences(known):
        raise JournalError(
            f"the journal {journal.path.stem!r} was asked otherwise ({'; '.join(different)[:200]}): "
            "give this one another name= (该日志属于另一批次)"
        )


def _preflight(
    journal: Journal,
    plan: Plan,
    source: Source,
    found: Survey,
    workers: int,
    budget: float | None,
    streamed: bool,
) -> Preflight:
    counts = journal.counts()
    if streamed:
        return priced(plan, found, source.total, found.rows, cached=0, each=None, budget=budget)
    missing = journal.count_missing()
    each = counts.completion_tokens / counts.ok if counts.ok else None
    return priced(plan, found, counts.rows, missing, counts.rows - missing - found.wrong, each, budget)
