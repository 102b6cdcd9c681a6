"""Replies of judges, and their journal: what a judge has said of the same prompt is replayed, not
asked again.

One SQLite file beside those of batches, for all kernels of this user. A reply is stored as soon as
it comes; its key is the hash of platform, judge, options and prompt, and of how often the prompt
came before in the same call.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ... import config
from ...base.language import tr
from ...batching.fork_safe_sqlite import open_for_step
from ...batching.journal import repeat_key
from ...batching.request_spec import RequestSpec, platform_name
from ...errors import InvalidArgumentError
from ...resources.inference.chat import ChatCompletion
from ...wire.prices import FREE, PriceRange, sum_prices

FILE_NAME: Final = "judges.db"
SCHEMA_VERSION: Final = 1
TABLES: Final = """
create table if not exists reply(
    key blob primary key, judge text not null, content text not null, cost_low real, cost real,
    judged real not null)
    without rowid
"""
MAX_KEYS: Final = 500  # keys that one query names at most


@dataclass(frozen=True)
class JudgeUsage:
    """What judging took.

    Attributes:
        calls: of the judge.
        unread: replies in which no verdict could be read; they count as missing, never as 0.
        failed: calls without a reply.
        cost_range: CNY by list price, None where it is not known; `cost` is its upper end.
        replayed: replies from the journal, for which no call was made.
    """

    calls: int = 0
    unread: int = 0
    failed: int = 0
    cost_range: PriceRange | None = FREE
    replayed: int = 0

    @property
    def cost(self) -> float | None:
        """CNY by list price, None where it is not known."""
        if self.cost_range:
            return self.cost_range.high
        return None

    def summary(self, name: str) -> dict[str, Any]:
        """Return the numbers by the names that reports have, which begin with the metric's."""
        cost = self.cost_range
        counts = {
            "asked": self.calls,
            "unread": self.unread,
            "failed": self.failed,
            "replayed": self.replayed,
        }
        if cost and not cost.is_exact:
            low = {"cost_low": cost.low}
        else:
            low = {}
        return {
            f"{name}_{key}": value for key, value in (counts | low | {"cost": self.cost}).items()
        }

    def __add__(self, usage: JudgeUsage) -> JudgeUsage:
        cost = sum_prices((self.cost_range, usage.cost_range))
        unread = self.unread + usage.unread
        failed = self.failed + usage.failed
        return JudgeUsage(
            self.calls + usage.calls, unread, failed, cost, self.replayed + usage.replayed
        )

    def __repr__(self) -> str:
        if self.cost_range is None:
            cost = "unknown cost"
        else:
            cost = f"¥{self.cost_range}"
        if self.replayed:
            replayed = f", {self.replayed} replayed"
        else:
            replayed = ""
        return f"{self.calls} judged{replayed}, {self.unread} unread, {self.failed} failed, {cost}"


@dataclass(frozen=True)
class JudgeReply:
    """A judge's reply to one prompt: a text, or an error."""

    text: str
    error: str = ""
    cost_range: PriceRange | None = FREE
    is_replayed: bool = False

    def usage(self, *, is_read: bool) -> JudgeUsage:
        """Return its use; `is_read` is whether it had a verdict."""
        unread = int(not is_read and not self.error)
        return JudgeUsage(
            int(not self.is_replayed),
            unread,
            int(bool(self.error)),
            self.cost_range,
            int(self.is_replayed),
        )


def ask_judge(
    model: Any,
    prompts: Sequence[str],
    worker_num: int = 8,
    options: Mapping[str, Any] | None = None,
    *,
    fresh: bool = False,
) -> list[JudgeReply]:
    """Return a model's reply to each prompt; a failed call is an error, not an answer.

    Args:
        model: a model's name, an object with `batch_do`, or with `get_res` that returns one;
            default: `ChatCompletion()`.
        prompts: one for each call.
        worker_num: calls at a time.
        options: of its `do`.
        fresh: ask again what the journal has; replies of objects that are no `ChatCompletion` are
            not in it.
    """
    validate_judge(model)
    if model is None or isinstance(model, str):
        judge = ChatCompletion(model=model)
    else:
        judge = model
    if hasattr(judge, "get_res"):
        client = judge.get_res()
    else:
        client = judge
    keys, label = _reply_keys(client, prompts, options or {})
    if fresh:
        stored = {}
    else:
        stored = _read_replies(keys)
    missing = [index for index in range(len(prompts)) if not keys or keys[index] not in stored]
    replies = {
        index: stored[keys[index]] for index in range(len(prompts)) if index not in set(missing)
    }
    if missing:
        task = client.batch_do(
            [prompts[index] for index in missing], worker_num=worker_num, **(options or {})
        )
        for item in task.as_completed() if keys else ():
            if not (reply := _to_judge_reply(item.result())).error:
                _write_reply(keys[missing[item.index]], label, reply)
        replies |= {
            index: _to_judge_reply(reply)
            for index, reply in zip(missing, task.results(), strict=True)
        }
    return [replies[index] for index in range(len(prompts))]


def validate_judge(model: Any) -> None:
    """Raise InvalidArgumentError when a model is nothing that `ask_judge` takes."""
    if not (
        model is None
        or isinstance(model, str)
        or hasattr(model, "batch_do")
        or hasattr(model, "get_res")
    ):
        raise InvalidArgumentError(
            tr(
                "model={model}: a judge is a model's name, a ChatCompletion or a Service",
                model=repr(model),
            )
        )


def _reply_keys(
    client: Any, prompts: Sequence[str], options: Mapping[str, Any]
) -> tuple[list[bytes], str]:
    """Return the key of each prompt's reply, and the judge's name; no keys where it cannot be told
    from others.
    """
    chat = getattr(client, "judge_model", client)
    if hasattr(chat, "get_res"):
        chat = chat.get_res()
    if not isinstance(chat, ChatCompletion):
        return [], ""
    fields = dict(options)
    model, endpoint = chat.resolve_target(fields.pop("model", None), fields.pop("endpoint", None))
    spec = RequestSpec(platform_name(chat.platform_info()), model, endpoint, None, fields)
    repeats = Counter[str]()
    keys = []
    for prompt in prompts:
        keys.append(repeat_key(spec.row_key(prompt), repeats[prompt]))
        repeats[prompt] += 1
    return keys, endpoint or model or ""


def _read_replies(keys: Sequence[bytes]) -> dict[bytes, JudgeReply]:
    path = config.state_dir() / FILE_NAME
    replies = dict[bytes, JudgeReply]()
    if not keys or not path.exists():
        return replies
    with (
        contextlib.suppress(sqlite3.Error, OSError, ValueError),
        open_for_step(path, TABLES, SCHEMA_VERSION) as database,
    ):
        for start in range(0, len(keys), MAX_KEYS):
            chunk = keys[start : start + MAX_KEYS]
            places = ", ".join("?" * len(chunk))
            query = f"select key, content from reply where key in ({places})"  # noqa: S608 - only question marks
            rows: Iterable[tuple[bytes, str]] = database.execute(query, chunk).fetchall()
            replies |= {key: JudgeReply(content, is_replayed=True) for key, content in rows}
    return replies


def _write_reply(key: bytes, label: str, reply: JudgeReply) -> None:
    """Store a reply; a disk that refuses it costs the replay, not the evaluation."""
    cost = reply.cost_range
    values = key, label, reply.text, cost and cost.low, cost and cost.high, time.time()
    path = config.state_dir() / FILE_NAME
    with (
        contextlib.suppress(sqlite3.Error, OSError, ValueError),
        open_for_step(path, TABLES, SCHEMA_VERSION) as database,
    ):
        database.execute("insert or replace into reply values (?, ?, ?, ?, ?, ?)", values)


def _to_judge_reply(reply: Any) -> JudgeReply:
    if isinstance(reply, BaseException):
        return JudgeReply("", f"{type(reply).__name__}: {reply}")
    cost = getattr(reply, "cost", None)
    cost_range = getattr(reply, "cost_range", None if cost is None else PriceRange(cost, cost))
    return JudgeReply(str(reply["result"]), "", cost_range)
