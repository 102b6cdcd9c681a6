"""Notify a function or a webhook when a training has ended or is stalled."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from ..base.language import tr
from ..base.text import approximate_duration
from ..config import Secret
from ..errors import InvalidArgumentError, QianfanError
from ..transport import http
from .background import BackgroundTrainer
from .event import Event, EventHandler
from .progress import TrainingProgress

Kind = Literal["done", "failed", "stopped", "stalled"]

STALLED_AFTER_S: Final = 1800.0
"""Seconds without a new percent, or without an answer, after which a training is stalled."""

log = logging.getLogger("qfnb.trainer")


@dataclass(frozen=True)
class Alert:
    """A notification; the names of the fields are the keys of its JSON.

    Attributes:
        kind: what happened.
        id: `run-...` of the training.
        title: the model that is tuned.
        task_id: `task-...` of the run.
        text: a sentence.
        at: Unix seconds.
    """

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
    """Notify `to` when a training is done, has failed, was stopped, or is stalled; once for each.

    Args:
        trainer: the training; it may be running.
        to: a function that takes an `Alert`, or an https address that its JSON is posted to.
        stalled_after: seconds without a new percent or without an answer, default 1800.

    Returns:
        A function that removes the alert.

    Raises:
        InvalidArgumentError: `to` is neither a function nor an https address.
    """
    if isinstance(to, str):
        address = Secret(to)  # no frame that raises has the address as a text
        to = ""
        http.validate_webhook(address)
        callback: AlertCallback = partial(_post, address)
    elif callable(to):
        callback = to
    else:
        kind = type(to).__name__
        to = ""
        raise InvalidArgumentError(
            tr("`to` is a {kind}: pass a function, or an https address as text", kind=kind)
        )
    return trainer.add_event_handler(_AlertHandler(trainer, callback, stalled_after))


class _AlertHandler(EventHandler):
    """Turns the progress after each event into alerts."""

    def __init__(
        self, trainer: BackgroundTrainer, callback: AlertCallback, stalled_after: float
    ) -> None:
        self._trainer = trainer
        self._callback = callback
        self._stalled_after = stalled_after
        self._sent_kinds: set[Kind] = set()
        self._percent: int | None = None
        self._progressed_at = time.time()

    def dispatch(self, event: Event) -> None:
        progress = self._trainer.progress
        if progress.percent != self._percent or (
            progress.training_at is None and progress.offline_since is None
        ):
            self._percent = progress.percent
            self._progressed_at = time.time()
            self._sent_kinds.discard("stalled")
        kind, text = self._find_condition(progress)
        if kind is None or kind in self._sent_kinds:
            return
        self._sent_kinds.add(kind)
        notice = Alert(kind, progress.run_id, progress.title, progress.task_id, text, time.time())
        threading.Thread(
            target=self._deliver, args=(notice,), name="qfnb-alert", daemon=True
        ).start()

    def _find_condition(self, progress: TrainingProgress) -> tuple[Kind | None, str]:
        if progress.finished and progress.failed:
            return "failed", tr("The training failed: {error}", error=progress.error)
        if progress.finished and progress.stopped:
            return "stopped", tr("The training was stopped.")
        if progress.finished:
            return "done", tr("The training is done: {status}", status=progress.status)
        idle_s = time.time() - self._progressed_at
        if progress.training_at is None or idle_s <= self._stalled_after:
            return None, ""
        idle_time = approximate_duration(idle_s)
        if progress.offline_since:
            return "stalled", tr("The platform has not answered for {time}.", time=idle_time)
        return "stalled", tr(
            "The training has stayed at {percent}% for {time}.",
            percent=progress.percent,
            time=idle_time,
        )

    def _deliver(self, notice: Alert) -> None:
        try:
            self._callback(notice)
        except Exception:
            log.exception(tr("an alert of {run} could not be delivered", run=notice.id))


def _post(address: Secret, notice: Alert) -> None:
    """Post an alert, with one line of text in the forms that DingTalk, WeCom and Feishu expect."""
    text = f"qfnb {notice.title} {notice.task_id}: {notice.text}"
    bots = {
        "msgtype": "text",
        "text": {"content": text},
        "msg_type": "text",
        "content": {"text": text},
    }
    try:
        http.post_webhook(address, {**vars(notice), "message": notice.text, **bots})
    except QianfanError as error:
        log.warning(tr("the webhook refused the alert: {error}", error=error))
