"""What happens at each step of a run: its point is stored, its weights may be kept, and it may end
early.
"""

import math
from collections.abc import Callable

from ..engines.protocol import Step
from ..state.store import Document, Store
from .run_data import PREFERENCE_LOSSES

PREPARING_PERCENT = 10
"""Percent of a run's progress for the preparation of the engine, if it needs any."""

TRAINED_PERCENT = 95
"""Percent of a run's progress after its last step: then the model answers held-out rows."""

MAX_CHECKPOINTS = 10
"""Checkpoints that are kept of a run whose model has no `checkpointCount`: one per epoch."""


PARAMETERS = frozenset(
    {
        "checkpointSaveStrategy",
        "saveStep",
        "checkpointCount",
        "earlyStopping",
        "earlyStoppingThreshold",
        "earlyStoppingPatience",
    }
)
"""The platform's hyper-parameters that decide about checkpoints and the early end of a run,
whatever its engine.
"""


def checkpoint_name(task_id: str, step: int) -> str:
    """Return the name of a checkpoint, under which its weights are kept as those of a run are."""
    return f"{task_id}-{step}"


def weights_name(task: Document, step: int | None, last_step: int | None) -> str | None:
    """Return the name under which a run's weights at a step are kept, None if they are not.

    Args:
        task: the run.
        step: the step, None for the last one.
        last_step: the last step of its curve.
    """
    if step is None or step == last_step:
        return str(task["id"])
    return checkpoint_name(task["id"], step) if step in task.get("checkpoints", ()) else None


def weights_names(task: Document) -> list[str]:
    """Return all names under which weights of a run are kept."""
    return [
        task["id"],
        *(checkpoint_name(task["id"], step) for step in task.get("checkpoints", ())),
    ]


class RunRecorder:
    """The observer of a run: it records each step, and returns whether to continue.

    Beside the checkpoints that `checkpointSaveStrategy`, `saveStep` and `checkpointCount` ask for,
    the one with the lowest validation loss is kept.

    Attributes:
        rewards: the last rewards of a training on preferences, as metrics.
        early_stop: the reason of an early stop, "" for none.
    """

    def __init__(self, store: Store, task: Document, should_stop: Callable[[], bool]) -> None:
        self._store = store
        self._task = task
        self._should_stop = should_stop
        self._values = task["hyper_parameters"]
        self._prepared = 0
        self._noted = ("", 0)
        self._saved: list[int] = []
        self._best_step = 0
        self._best_loss = math.inf
        self._reference_loss = math.inf
        self._stale = 0
        self.rewards: dict[str, float] = {}
        self.early_stop = ""

    def __call__(self, step: Step) -> bool:
        """Record a step."""
        task_id = self._task["id"]
        fraction = min(1.0, step.step / max(step.total_steps, 1))
        if step.phase == "preparing":
            self._prepared = max(self._prepared, round(PREPARING_PERCENT * fraction))
            self._note(step.phase, self._prepared)
            return not self._should_stop()
        if step.quiet:
            return not self._should_stop()
        self._store.add_point(task_id, _loss_point(step, self._task))
        self.rewards = {
            f"rewards/{name}": round(value, 4) for name, value in step.rewards.items()
        } or self.rewards
        self._keep_checkpoints(step)
        self._judge_validation(step)
        percent = self._prepared + round((TRAINED_PERCENT - self._prepared) * fraction)
        self._note(step.phase, percent)
        return not (self._should_stop() or self.early_stop)

    def _note(self, phase: str, percent: int) -> None:
        """Store how far the run is, if that is news."""
        if (phase, percent) != self._noted:
            self._noted = phase, percent
            self._store.update(self._task["id"], phase=phase, percent=percent)

    def _keep_checkpoints(self, step: Step) -> None:
        """Keep the weights of a step that is due or the best, and delete those that are neither any
        more.
        """
        kept = {*self._saved, self._best_step} - {0}
        is_best = step.validation_loss is not None and step.validation_loss < self._best_loss
        if is_best:
            self._best_step = step.step
            self._best_loss = step.validation_loss or 0.0
        if self._is_due(step):
            self._saved = [*self._saved, step.step][
                -int(self._values.get("checkpointCount", MAX_CHECKPOINTS)) :
            ]
        wanted = {*self._saved, self._best_step} - {0}
        if wanted == kept or step.snapshot is None or step.step == step.total_steps:
            return
        if step.step in wanted:
            name = checkpoint_name(self._task["id"], step.step)
            self._store.write_file(f"{name}.npz", step.snapshot(name))
        self._store.update(self._task["id"], checkpoints=sorted(wanted))
        for outdated in kept - wanted:
            self._store.remove_file(f"{checkpoint_name(self._task['id'], outdated)}.npz")

    def _is_due(self, step: Step) -> bool:
        if self._values.get("checkpointSaveStrategy") == "step":
            return step.step % int(self._values.get("saveStep", 64)) == 0
        return step.epoch > 0 and math.isclose(
            step.epoch % self._task["passes_per_epoch"], 0, abs_tol=1e-6
        )

    def _judge_validation(self, step: Step) -> None:
        """Decide on an early stop: the validation loss has not fallen by the threshold for some
        validations.
        """
        if step.validation_loss is None or self._values.get("earlyStopping") not in {
            True,
            "True",
            "true",
        }:
            return
        if step.validation_loss < self._reference_loss - float(
            self._values.get("earlyStoppingThreshold", 0.01)
        ):
            self._reference_loss = step.validation_loss
            self._stale = 0
            return
        self._stale += 1
        if self._stale >= int(self._values.get("earlyStoppingPatience", 3)):
            self.early_stop = (
                f"early stop at step {step.step}: the validation loss was lowest "
                f"at {self._best_step}"
            )


def _loss_point(step: Step, task: Document) -> Document:
    """Return a point of a run's loss curve; the perplexity is that of the validation."""
    point: Document = {
        "step": step.step,
        "epoch": round(step.epoch / task["passes_per_epoch"], 3),
        "trainingLoss": round(step.training_loss, 5),
    }
    if task["mode"] in PREFERENCE_LOSSES:
        point |= (
            {"rewards": {name: round(value, 5) for name, value in step.rewards.items()}}
            if step.rewards
            else {}
        )
    elif step.validation_loss is not None:
        point["perplexity"] = round(math.exp(min(step.validation_loss, 50)), 5)
    return (
        point
        if step.validation_loss is None
        else point | {"validationLoss": round(step.validation_loss, 5)}
    )
