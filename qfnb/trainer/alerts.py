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
from .background import BackgroundTrainer
from .event import Event, EventHandler
from .progress import TrainingProgress

Kind = Literal["done", "failed", "stopped", "stalled"]

STALLED_AFTER_S: Final = 1800.0
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


AlertCallback = Callable[[Alert], object]


def alert(
    trainer: BackgroundTrainer, to: AlertCallback | str, *, stalled_after: float = STALLED_AFTER_S
) -> Callable[[], None]:
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
    callback = _webhook_callback(to) if isinstance(to, str) else to
    if not callable(callback):
        raise InvalidArgumentError(
            f"to={to!r}: a function or an https address is told (须为函数或 https 地址)"
        )
    return trainer.add_event_handler(_AlertHandler(trainer, callback, stalled_after))


class _AlertHandler(EventHandler):
    """Turns the progress after each event into alerts."""

    def __init__(self, trainer: BackgroundTrainer, callback: AlertCallback, stalled_after: float) -> None:
        self._trainer, self._callback, self._stalled_after = trainer, callback, stalled_after
        self._sent_kinds: set[Kind] = set()
        self._percent: int | None = None
        self._progressed_at = time.time()

    def dispatch(self, event: Event) -> None:
        progress = self._trainer.progress
        if progress.percent != self._percent or (
            progress.training_at is None and progress.offline_since is None
        ):
            self._percent, self._progressed_at = progress.percent, time.time()
            self._sent_kinds.discard("stalled")
        condition = self._find_condition(progress)
        if condition is not None and condition[0] not in self._sent_kinds:
            kind, text = condition
            self._sent_kinds.add(kind)
            notice = Alert(kind, progress.run_id, progress.title, progress.task_id, text, time.time())
            threading.Thread(target=self._deliver, args=(notice,), name="qfnb-alert", daemon=True).start()

    def _find_condition(self, progress: TrainingProgress) -> tuple[Kind, str] | None:
        if progress.finished:
            if progress.failed:
                return "failed", f"训练失败 / failed: {progress.error}"
            return (
                ("stopped", "训练已停止 / stopped")
                if progress.stopped
                else ("done", f"训练完成 / {progress.status}")
            )
        idle_s = time.time() - self._progressed_at
        if progress.training_at is not None and idle_s > self._stalled_after:
            reason = (
                "平台没有应答 / no answer"
                if progress.offline_since
                else f"停在 {progress.percent}% / stays at {progress.percent}%"
            )
            return "stalled", f"{reason}, {idle_s / 60:.0f} min"
        return None

    def _deliver(self, notice: Alert) -> None:
        try:
            self._callback(notice)
        except Exception:
            log.exception("an alert of %s could not be told", notice.id)


def _webhook_body(notice: Alert) -> dict[str, Any]:
    """Return what is posted: the alert, and one line as the bots of DingTalk, WeCom and Feishu take it."""
    line = f"qfnb {notice.title} {notice.task_id}: {notice.text}"
    fields = {name: value for name, value in vars(notice).items() if name != "text"}
    bot_fields = {"msgtype": "text", "text": {"content": line}, "msg_type": "text", "content": {"text": line}}
    return {**fields, "message": notice.text, **bot_fields}


def _webhook_callback(address: str) -> AlertCallback:
    webhook.validate_url(address)

    def post(notice: Alert) -> None:
        try:
            webhook.post(address, _webhook_body(notice))
        except QianfanError as error:
            log.warning("the alert was not taken: %s", error)

    return post
