"""Fine-tuning in one object: start it, go on working, follow it, stop it, find it again. Source: seed 004."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from .. import connect
from ..dataset import Dataset
from ..errors import InvalidArgumentError, RequestError
from ..resources.finetune import FineTune
from . import configs, store
from .actions import DeployAction, LoadDataSetAction, ModelPublishAction, TrainAction
from .base import BaseAction, Pipeline, StoppedError, Trainer
from .configs import DeployConfig, TrainConfig
from .event import Event, EventHandler
from .progress import STAGES, Stage, TrainingProgress

Listener = Callable[[TrainingProgress], None]


class LLMFinetune(Trainer):
    """Fine-tune a language model.

    Args:
        train_type: the model to tune, e.g. ERNIE-Speed-8K; the seeds' old names work.
        dataset: a `Dataset`, a `ds-...` id, or the path of a JSONL file.
        train_config: how to train; default: the model's own defaults.
        deploy_config: deploy the model afterwards; default: stop after publishing.
        event_handler: is told of every event.
        base_model: kept for the seeds' signature; the platform derives it from `train_type`.
        name: of the job on the platform.

    Raises:
        InvalidArgumentError: the dataset or a hyper-parameter is wrong; nothing was started.

    Source: seed 004 (LLMFinetune).
    """

    def __init__(
        self,
        train_type: str,
        dataset: Dataset | str | Path | None,
        train_config: TrainConfig | None = None,
        deploy_config: DeployConfig | None = None,
        event_handler: EventHandler | None = None,
        base_model: str | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.train_type, self.train_config = train_type, train_config or TrainConfig()
        with contextlib.suppress(RequestError):  # out of reach now: the platform checks again at the start
            configs.check(train_type, self.train_config, FineTune.V2.supported_models().data)
        self.dataset: Dataset | None = _dataset(dataset)
        train = TrainAction(train_type, self.train_config, base_model, job_name=name)
        actions: list[BaseAction] = [LoadDataSetAction(self.dataset), train, ModelPublishAction()]
        self._assemble(actions + ([DeployAction(deploy_config)] if deploy_config else []), event_handler)

    @classmethod
    def attach(
        cls,
        task_id: str,
        *,
        event_handler: EventHandler | None = None,
        deploy_config: DeployConfig | None = None,
    ) -> Self:
        """Return a trainer that watches a run started elsewhere (another kernel, the console).

        `start()` then only polls; when the run is done the model is published, unless it was before.
        """
        run = store.load(task_id) or {}
        self = cls.__new__(cls)
        Trainer.__init__(self)
        self.train_type, self.train_config = str(run.get("train_type", "")), TrainConfig()
        self.dataset = None
        job = run.get("job_id")
        train = TrainAction(self.train_type, task_id=task_id, job_id=job, job_name=run.get("name"))
        actions: list[BaseAction] = [train]
        if not run.get("model_version_id"):
            actions.append(ModelPublishAction())
        self._assemble(actions + ([DeployAction(deploy_config)] if deploy_config else []), event_handler)
        return self

    @staticmethod
    def known() -> list[dict[str, Any]]:
        """Return the runs that this user started, the newest first."""
        return store.known()

    def start(self) -> Self:
        """Start the pipeline on a worker thread and return at once; the kernel stays free.

        Raises:
            InvalidArgumentError: it is running already.
        """
        return self._launch(lambda: self.ppls[0].run({}))

    def run(self, **kwargs: Any) -> Self:
        """Run the pipeline and wait for its end; an interrupt ends the waiting, not the training.

        Raises:
            TrainingError: the run failed; other errors of its steps are raised as they are.
        """
        facts = dict(kwargs.get("input") or {})
        return self._launch(lambda: self.ppls[0].run(facts)).wait()

    def resume(self, **kwargs: Any) -> Self:
        """Go on with the step that was stopped or failed, and wait for the end."""
        facts = dict(kwargs.get("input") or {})
        return self._launch(lambda: self.ppls[0].resume(facts)).wait()

    def wait(self, timeout: float | None = None) -> Self:
        """Wait for the end (at most `timeout` seconds); raises what ended the pipeline badly.

        A stopped training raises nothing: look at `status`.
        """
        if self._over is None:
            raise InvalidArgumentError("the training was not started: call start() or run()")
        left = float("inf") if timeout is None else timeout
        while left > 0 and not self._over.wait(
            min(0.1, left)
        ):  # in slices, so that an interrupt gets through
            left -= 0.1
        if self.running:
            return self
        if (
            self.result
            and isinstance(self.result[0], dict)
            and isinstance(self.result[0].get("error"), Exception)
        ):
            raise self.result[0]["error"]
        return self

    def stop(self) -> Self:
        """Stop the run on the platform, and the pipeline; what was learned so far stays on the platform."""
        self.ppls[0].stop()
        return self

    @property
    def status(self) -> str:
        """Where it stands: a FinetuneStatus."""
        return str(self.progress.status)

    @property
    def running(self) -> bool:
        """Whether the pipeline is at work in this process."""
        return self._over is not None and not self._over.is_set()

    @property
    def progress(self) -> TrainingProgress:
        """Where it stands, as a value."""
        with self._lock:
            return self._progress

    def follow(self, listener: Listener) -> Callable[[], None]:
        """Have a listener called with the progress after each event, on the worker thread.

        Returns:
            A function that ends it.
        """
        with self._lock:
            self._listeners.append(listener)

        def unfollow() -> None:
            with self._lock, contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return unfollow

    def __repr__(self) -> str:
        now = self.progress
        percent = f", {now.percent}%" if now.percent is not None else ""
        return f"<LLMFinetune {self.train_type}: {now.status}{percent}>"

    def _assemble(self, actions: list[BaseAction], handler: EventHandler | None) -> None:
        self.ppls = [Pipeline(actions)]
        self.event_handler = handler
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._over: threading.Event | None = None  # not Thread.join: an interrupted join calls a thread dead
        stages = tuple(Stage(STAGES[type(action).__name__]) for action in actions)
        self._progress = TrainingProgress(self.train_type or "fine-tuning", stages)
        self.ppls[0].register_event_handler(_Fan(self._receive))

    def _receive(self, event: Event) -> None:
        with self._lock:
            self._progress = progress = self._progress.after(event)
            listeners = list(self._listeners)
        for listener in listeners:
            listener(progress)
        if self.event_handler is not None:
            self.event_handler.dispatch(event)

    def _launch(self, work: Callable[[], dict[str, Any]]) -> Self:
        if self.running:
            raise InvalidArgumentError("this training is running already: wait() for it or stop() it")
        self.result = []
        connect.client()  # a missing key or a sandbox that cannot start shows up here, in the user's own cell
        context = contextvars.copy_context()  # what the thread prints belongs to the cell that started it
        self._over = over = threading.Event()
        arguments = (self._work, work, over)
        threading.Thread(target=context.run, args=arguments, name="qfnb-training", daemon=True).start()
        return self

    def _work(self, work: Callable[[], dict[str, Any]], over: threading.Event) -> None:
        try:
            self.result = [work()]
        except StoppedError:
            self.result = [dict(self.output)]
        except Exception as error:  # noqa: BLE001 - raised again by wait(), in the user's thread
            self.result = [{"error": error}]
        finally:
            over.set()


class _Fan(EventHandler):
    """Hands events to a function."""

    def __init__(self, receive: Callable[[Event], None]) -> None:
        self._receive = receive

    def dispatch(self, event: Event) -> None:
        self._receive(event)


def _dataset(given: Dataset | str | Path | None) -> Dataset:
    if isinstance(given, Dataset):
        dataset = given
    elif isinstance(given, str) and given.startswith("ds-"):
        dataset = Dataset.load(qianfan_dataset_id=given)
    elif isinstance(given, (str, Path)):
        dataset = Dataset.load(given)
    else:
        raise InvalidArgumentError(
            f"dataset is a {type(given).__name__}: give a Dataset, a 'ds-...' id, or a .jsonl file's path"
        )
    if dataset.id is None and not len(dataset):
        raise InvalidArgumentError("the dataset has no rows: load some before training")
    return dataset
