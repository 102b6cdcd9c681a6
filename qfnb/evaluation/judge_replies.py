"""Replies of judges: asked, kept in a journal, and read.

What a judge has said of the same prompt is replayed, not asked again.

One SQLite file beside those of batches, for all kernels of this user. A reply is stored as soon as
it comes; its key is the hash of platform, judge, options and prompt, and of how often the prompt
came before in the same call.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .. import config
from ..base.language import tr
from ..batching.fork_safe_sqlite import open_for_step
from ..batching.journal import repeat_key
from ..batching.request_spec import RequestSpec, platform_name
from ..errors import InvalidArgumentError
from ..metrics.exact_json import find_json_object
from ..resources.inference.chat import ChatCompletion
from ..wire.prices import FREE, PriceRange, sum_prices
from .samples import client_of

FILE_NAME: Final = "judges.db"
SCHEMA_VERSION: Final = 1
TABLES: Final = """
create table if not exists reply(
    key blob primary key, judge text not null, content text not null, cost_low real, cost real,
    judged real not null)
    without rowid
"""


@dataclass(frozen=True)
class JudgeReply:
    """A judge's reply to one prompt: a text, or an error and no text."""

    text: str
    error: str = ""
    cost_range: PriceRange | None = FREE
    is_replayed: bool = False


@dataclass
class JudgeUsage:
    """What judging took so far.

    Attributes:
        calls: of the judge.
        unread: replies in which no verdict could be read; they count as missing, never as 0.
        failed: calls without a reply.
        replayed: replies from the journal, for which no call was made.
        cost_range: CNY by list price, None where it is not known; `cost` is its upper end.
    """

    calls: int = 0
    unread: int = 0
    failed: int = 0
    replayed: int = 0
    cost_range: PriceRange | None = FREE

    @property
    def cost(self) -> float | None:
        """CNY by list price, None where it is not known."""
        return self.cost_range.high if self.cost_range else None

    def add(self, reply: JudgeReply, *, is_read: bool) -> None:
        """Count a reply; `is_read` is whether it had a verdict."""
        self.calls += not reply.is_replayed
        self.unread += not is_read and not reply.error
        self.failed += bool(reply.error)
        self.replayed += reply.is_replayed
        self.cost_range = sum_prices((self.cost_range, reply.cost_range))

    def summary(self, name: str) -> dict[str, Any]:
        """Return the numbers by the names that reports have, which begin with the metric's."""
        values: dict[str, Any] = {
            f"{name}_asked": self.calls,
            f"{name}_unread": self.unread,
            f"{name}_failed": self.failed,
            f"{name}_replayed": self.replayed,
        }
        if self.cost_range and not self.cost_range.is_exact:
            values[f"{name}_cost_low"] = self.cost_range.low
        return values | {f"{name}_cost": self.cost}


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
    client = ChatCompletion() if model is None else client_of(model)
    options = options or {}
    keys, label = _reply_keys(client, prompts, options)
    stored = {} if fresh else _read_replies(keys)
    replies = [stored.get(key) for key in keys] or [None] * len(prompts)
    missing = [index for index, reply in enumerate(replies) if reply is None]
    if missing:
        asked = [prompts[index] for index in missing]
        task = client.batch_do(asked, worker_num=worker_num, **options)
        for item in task.as_completed() if keys else ():
            reply = _to_judge_reply(item.result())
            if not reply.error:
                _write_reply(keys[missing[item.index]], label, reply)
        for index, reply in zip(missing, task.results(), strict=True):
            replies[index] = _to_judge_reply(reply)
    return [reply for reply in replies if reply is not None]


def validate_judge(model: Any) -> None:
    """Raise InvalidArgumentError when a model is nothing that `ask_judge` takes."""
    is_named = model is None or isinstance(model, str)
    if not (is_named or hasattr(model, "batch_do") or hasattr(model, "get_res")):
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
    chat = client_of(getattr(client, "judge_model", client))
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
        for key in keys:
            row = database.execute("select content from reply where key = ?", (key,)).fetchone()
            if row is not None:
                replies[key] = JudgeReply(row[0], is_replayed=True)
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


_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_NUMBER = r"(-?\d+(?:\.\d+)?)(?![\d.]*\d)(?!\s*[-~到至]\s*\d)\s*(?:/\s*(\d+))?"
_SCORE_LABELS = r"(?:评分|得分|分数|打分|score|rating)[\"'*\s]*[:=是为][\"'*\s\[(]*"
_SCORE = re.compile(_SCORE_LABELS + _NUMBER, re.IGNORECASE)
_BARE_SCORE = re.compile(rf"[*\s]*{_NUMBER}\s*分?[.。*\s]*")
_SCORE_NAMES: Final = ("score", "评分", "得分", "分数", "打分", "rating")

_BETTER = re.compile(
    r"(?:结论|更好的?(?:回答|是)?|胜者|获胜者|verdict|winner|better)[\"'*\s]*[:=是为][\"'*\s\[(]*"
    r"(?:回答|答案|助手|answer|assistant)?\s*(a|b|平局|平手|相当|tie|c)(?![a-z])",
    re.IGNORECASE,
)
_BETTER_NAMES: Final = ("结论", "verdict", "winner", "better")
_BRACKETED = re.compile(r"\[\[\s*(a|b|c|tie|平局)\s*\]\]", re.IGNORECASE)
_LONE_PREFERENCE = re.compile(r"[*\s\"'(\[]*(a|b|平局|平手|tie)[*\s\"'.。)\]]*", re.IGNORECASE)
_ANSWER_WORD = re.compile(r"^(回答|答案|助手|answer|assistant)\s*")
_PREFERENCES: Final = {
    "a": "A",
    "b": "B",
    **dict.fromkeys(("c", "tie", "平局", "平手", "相当"), "tie"),
}


def parse_score(text: str, max_score: float) -> float | None:
    """Return the score in a judge's reply, from 0 on.

    Understood are JSON with `score` or 评分, lines of 评分, and a number alone, full-width or not.
    With two different scores, or one outside the range, the score counts as missing.
    """
    normalized = _normalize(text)
    values = find_json_object(normalized) or {}
    in_json = [str(values[name]) for name in _SCORE_NAMES if name in values]
    matches = [*map(_BARE_SCORE.fullmatch, in_json)]
    if not any(matches):
        matches = [*_SCORE.finditer(normalized)] or [_BARE_SCORE.fullmatch(normalized)]
    scores = set()
    for match in matches:
        if match and match[2] in {None, f"{max_score:g}"}:
            scores.add(float(match[1]))
    if len(scores) == 1 and 0 <= min(scores) <= max_score:
        return scores.pop()
    return None


def parse_preference(text: str) -> str | None:
    """Return which of two answers a judge prefers: "A", "B" or "tie"; None when that cannot be
    read.
    """
    normalized = _normalize(text)
    fields = find_json_object(normalized) or {}
    words = [str(fields[name]) for name in _BETTER_NAMES if name in fields]
    words = words or _BRACKETED.findall(normalized) or _BETTER.findall(normalized)
    alone = _LONE_PREFERENCE.fullmatch(normalized)
    if not words and alone:
        words = [alone[1]]
    preferences = set()
    for word in words:
        name = _ANSWER_WORD.sub("", word.strip().casefold())
        preferences.add(_PREFERENCES.get(name))
    return preferences.pop() if len(preferences) == 1 else None


def _normalize(text: str) -> str:
    """Return a reply without the model's thinking, full-width characters as half-width ones."""
    return unicodedata.normalize("NFKC", _THINKING.sub("", text)).strip()
