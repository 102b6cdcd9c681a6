"""Tell somebody when a training is over, or does not get on: a function, or a web address."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from ..errors import InvalidArgumentError, QianfanError
from ..transport import webhook
from .follow import Followed
from .progress import TrainingProgress

Kind = Literal["done", "failed", "stopped", "stalled"]

STALLED: Final = 1800.0
"""Seconds without a new percent, or without an answer, after which a training does not get on."""

log = logging.getLogger("qfnb.trainer")


@dataclass(frozen=True)
class Alert:
    """What somebody is told: what happened, of which training, a sentence, and when (Unix seconds)."""

    kind: Kind
    id: str
    title: str
    task_id: str
    text: str
    at: float


Tell = Callable[[Alert], object]


def alert(trainer: Followed, to: Tell | str, *, stalled_after: float = STALLED) -> Callable[[], None]:
    """Tell `to` when a training is done, failed, was stopped, or does not get on; each once.

    Args:
        trainer: whose training; it may be at work already.
        to: a function that takes an `Alert`, or an https address that its JSON is posted to.
        stalled_after: seconds without a new percent or without an answer.

    Returns:
        A function that ends it.

    Raises:
        InvalidArgumentError: `to` is neither.
    """
    tell = _posted(to) if isinstance(to, str) else to
    if not callable(tell):
        raise InvalidArgumentError(
            f"to={to!r}: a function or an https address is told (须为函数或 https 地址)"
        )
    return trainer.follow(_Watcher(tell, stalled_after))


class _Watcher:
    """Turns progresses into alerts."""

    def __init__(self, tell: Tell, stalled_after: float) -> None:
        self._tell, self._after = tell, stalled_after
        self._told: set[Kind] = set()
        self._percent: int | None = None
        self._moved = time.time()

    def __call__(self, now: TrainingProgress) -> None:
        if now.percent != self._percent or (now.training_at is None and now.offline_since is None):
            self._percent, self._moved = now.percent, time.time()
            self._told.discard("stalled")
        found = self._kind(now)
        if found is not None and found[0] not in self._told:
            kind, text = found
            self._told.add(kind)
            made = Alert(kind, now.run_id, now.title, now.task_id, text, time.time())
            threading.Thread(target=self._hand_over, args=(made,), name="qfnb-alert", daemon=True).start()

    def _kind(self, now: TrainingProgress) -> tuple[Kind, str] | None:
        if now.finished:
            if now.failed:
                return "failed", f"训练失败 / failed: {now.error}"
            return (
                ("stopped", "训练已停止 / stopped") if now.stopped else ("done", f"训练完成 / {now.status}")
            )
        idle = time.time() - self._moved
        if now.training_at is not None and idle > self._after:
            why = (
                "平台没有应答 / no answer"
                if now.offline_since
                else f"停在 {now.percent}% / stays at {now.percent}%"
            )
            return "stalled", f"{why}, {idle / 60:.0f} min"
        return None

    def _hand_over(self, made: Alert) -> None:
        try:
            self._tell(made)
        except Exception:
            log.exception("an alert of %s could not be told", made.id)


def _message(made: Alert) -> dict[str, Any]:
    """Return what is posted: the alert, and one line as the bots of DingTalk, WeCom and Feishu take it."""
    line = f"qfnb {made.title} {made.task_id}: {made.text}"
    facts = {name: value for name, value in vars(made).items() if name != "text"}
    bots = {"msgtype": "text", "text": {"content": line}, "msg_type": "text", "content": {"text": line}}
    return {**facts, "message": made.text, **bots}


def _posted(address: str) -> Tell:
    webhook.check(address)

    def post(made: Alert) -> None:
        try:
            webhook.post(address, _message(made))
        except QianfanError as error:
            log.warning("the alert was not taken: %s", error)

    return post
