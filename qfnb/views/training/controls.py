"""The widgets of a training's panel: the buttons, the choice of the details, and two texts."""

import asyncio
import contextvars
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from ...errors import QianfanError
from ...trainer import DeployAction, DeployConfig, LLMFinetune, ModelPublishAction
from ...trainer.base import BaseAction
from ...trainer.configs import resolve_train_type
from ...trainer.loss_diagnostics import best_checkpoint
from ...trainer.progress import TrainingProgress
from ...transport import event_loop
from .. import styles
from ..display import accept_clicks
from ..text import escape
from . import details


@dataclass(frozen=True)
class Action:
    """A button, and what it does.

    Attributes:
        label, tooltip: texts of the button.
        confirm: the label while a second click is required, "" where one click is enough.
        execute: runs on a thread; the panel shows its errors.
    """

    label: str
    tooltip: str
    confirm: str
    execute: Callable[[LLMFinetune], object]


STOP = Action(
    "停止 Stop",
    "Stop the run on the platform, which keeps the checkpoints so far",
    "再点一次停止 click again to stop",
    LLMFinetune.stop,
)
RESUME = Action(
    "继续 Resume", "Retry the step that was stopped or failed", "", lambda trainer: trainer.start(retry=True)
)
PUBLISH = Action("发布 Publish", "Publish the run as a model when it is trained", "", LLMFinetune.publish)
DEPLOY = Action(
    "部署 Deploy",
    "Deploy the model when it is published: 1 replica, 1 hour; `%qftrain deploy` takes options",
    "再点一次部署（计费）click again: it is billed",
    lambda trainer: trainer.deploy(DeployConfig()),
)


def publish_best_action(trainer: LLMFinetune) -> list[Action]:
    """Return the button that publishes the best checkpoint, none where it is the last one or is published."""
    points = trainer.progress.points
    best = best_checkpoint(points)
    steps = {action.step for action in trainer.ppls[0].actions if isinstance(action, ModelPublishAction)}
    if best is None or best is points[-1] or best.step in steps:
        return []
    label = f"★ 发布第 {best.step} 步 Publish step {best.step}"
    tooltip = f"Publish the checkpoint with the lowest validation loss, {best.validation_loss:.4f}"
    return [Action(label, tooltip, "", lambda trainer: trainer.publish(step=best.step))]


def available_actions(trainer: LLMFinetune) -> list[Action]:
    """Return the actions that are possible now."""
    progress, actions = trainer.progress, trainer.ppls[0].actions
    published = progress.model_version_id or any(isinstance(action, ModelPublishAction) for action in actions)
    publish, deploy = [] if published else [PUBLISH], [] if _is_deployed(actions, progress) else [DEPLOY]
    if trainer.is_running:
        return [STOP, *publish, *deploy]
    if trainer.ppls[0].current is not None:
        return [RESUME]
    return [*publish, *publish_best_action(trainer), *deploy]


def _is_deployed(actions: Sequence[BaseAction], progress: TrainingProgress) -> bool:
    """Return whether what was published last is deployed, or will be."""
    publishing = [index for index, action in enumerate(actions) if isinstance(action, ModelPublishAction)]
    since = actions[publishing[-1] :] if publishing else actions
    is_checkpoint = len(publishing) > 1
    return any(isinstance(action, DeployAction) for action in since) or (
        bool(progress.service_endpoint) and not is_checkpoint
    )


def chat_cell(progress: TrainingProgress) -> str:
    """Return a cell that chats with the service, "" before the deployment."""
    endpoint = _endpoint(progress)
    return f"%%qfchat -e {endpoint}\n你好" if endpoint else ""


def evaluation_cell(progress: TrainingProgress) -> str:
    """Return a cell that compares the service with its base model, "" before the deployment."""
    endpoint, base = _endpoint(progress), resolve_train_type(progress.title)
    if not endpoint:
        return ""
    return (
        "from qfnb import Dataset, EvaluationManager, Service\n"
        "from qfnb.evaluation import ExactMatchEvaluator, RougeLEvaluator\n\n"
        'heldout = Dataset.load("heldout.jsonl")  # 未训练过的数据 / rows that were not trained on\n'
        f'base = Service(model={base!r}, name="base")\n'
        f'tuned = Service(endpoint={endpoint!r}, name="tuned")\n'
        "manager = EvaluationManager(local_evaluators=[ExactMatchEvaluator(), RougeLEvaluator()])\n"
        "manager.eval([base, tuned], heldout)"
    )


def checkpoint_cell(progress: TrainingProgress, step: int | str) -> str:
    """Return a cell that publishes a checkpoint and scores it, without a service."""
    return (
        "from qfnb import Dataset, LLMFinetune\n"
        "from qfnb.evaluation import ExactMatchEvaluator, RougeLEvaluator\n\n"
        'heldout = Dataset.load("heldout.jsonl")  # 未训练过的数据 / rows that were not trained on\n'
        f"trainer = LLMFinetune.attach({(progress.run_id or progress.task_id)!r})\n"
        f"trainer.evaluate(heldout, [ExactMatchEvaluator(), RougeLEvaluator()], step={step!r}).wait()\n"
        'trainer.output["eval_res"]'
    )


def _endpoint(progress: TrainingProgress) -> str:
    """Return the endpoint, "" where it has characters that could be code: it becomes part of a cell."""
    return progress.service_endpoint if re.fullmatch(r"[\w.-]+", progress.service_endpoint) else ""


CONFIRM_WITHIN_S: Final = 6.0
"""Seconds within which the second click must follow."""

COPY_HINT = "复制到新单元格，或运行 / copy it into a new cell, or run"


class Controls:
    """The widgets of a panel; clicks are handled on the I/O loop, so they may arrive in any thread.

    There are two texts, so that what changes every second does not disturb reading the details. A button exists
    only while its action is possible: there are at most twelve widget models.

    Args:
        trainer: the trainer of the panel.
        top: returns the HTML that changes every second.
        below: returns the HTML below it.
        close: called by the button that closes the panel.
    """

    def __init__(
        self,
        trainer: LLMFinetune,
        top: Callable[[TrainingProgress], str],
        below: Callable[[TrainingProgress], str],
        *,
        close: Callable[[], None],
    ) -> None:
        self._trainer, self._top, self._below, self._close = trainer, top, below, close
        self._context = contextvars.copy_context()  # what an action prints belongs to the panel's cell
        self._progress = trainer.progress
        self._buttons: dict[str, Any] = {}
        self._armed_label, self._armed_at = "", 0.0
        self._busy_label, self._error, self._cell_html = "", "", ""

    def build(self) -> Any:
        """Return the widget; its parts share their layouts and styles."""
        import ipywidgets  # noqa: PLC0415 - only for a widget

        self._layout, self._style = ipywidgets.Layout(width="auto"), ipywidgets.ButtonStyle()
        self._head_html = ipywidgets.HTML(layout=self._layout)
        self._details_html = ipywidgets.HTML(layout=self._layout, style=self._head_html.style)
        options, tooltip = details.view_options(self._progress), "下方显示 what is shown below"
        self._choice = ipywidgets.Dropdown(options=options, tooltip=tooltip, layout=self._layout)
        self._choice.observe(lambda _: self._draw_details(), "value")
        self._row = ipywidgets.HBox([self._choice], layout=self._layout)
        return ipywidgets.VBox([self._row, self._head_html, self._details_html], layout=self._layout)

    def draw(self, progress: TrainingProgress, *, stays_open: bool) -> None:
        """Show a state; what has not changed is not sent.

        Args:
            progress: the state.
            stays_open: the training is not running, and the panel is open for its buttons.
        """
        self._progress = progress
        self._update_buttons(self._visible_actions(progress, stays_open=stays_open))
        error = f"<div>✘ {escape(self._error)}</div>" if self._error else ""
        self._head_html.value = f"<div {styles.BODY}>{self._top(progress)}{error}{self._cell_html}</div>"
        if len(self._choice.options) != len(options := details.view_options(progress)):
            selected, self._choice.options = self._choice.value, options
            self._choice.value = selected
        self._draw_details()
        for widget in (*self._buttons.values(), self._choice):
            accept_clicks(widget)

    def _draw_details(self) -> None:
        view_html = details.render_view(self._progress, self._choice.value)
        self._details_html.value = f"<div {styles.BODY}>{self._below(self._progress)}{view_html}</div>"

    def _visible_actions(self, progress: TrainingProgress, *, stays_open: bool) -> list[Action]:
        """Return the actions of the buttons, at most three."""
        actions = available_actions(self._trainer)
        if progress.service_endpoint:
            chat = partial(self._show_cell, chat_cell(progress), "chat")
            actions.append(Action("对话 Chat with it", "A cell that talks to the service", "", chat))
        if progress.service_endpoint and RESUME not in actions:
            compare = partial(self._show_cell, evaluation_cell(progress), "evaluate")
            label, tooltip = "与基座比较 Evaluate against base", "A cell that scores both on your rows"
            actions.append(Action(label, tooltip, "", compare))
        if stays_open:
            tooltip = "Replace the panel with a static output"
            actions.append(Action("关闭 Close", tooltip, "", lambda _: self._close()))
        return actions

    def _update_buttons(self, actions: list[Action]) -> None:
        if [*self._buttons] != [action.label for action in actions]:
            old = self._buttons
            self._buttons = {row.label: old.get(row.label) or self._create_button(row) for row in actions}
            self._row.children = [*self._buttons.values(), self._choice]
            for label in old.keys() - self._buttons.keys():
                old[label].close()
        is_expired = time.monotonic() - self._armed_at > CONFIRM_WITHIN_S
        for action in actions:
            is_confirming = action.label == self._armed_label and not is_expired
            button = self._buttons[action.label]
            button.description = action.confirm if is_confirming else action.label
            button.disabled = action.label == self._busy_label

    def _create_button(self, action: Action) -> Any:
        import ipywidgets  # noqa: PLC0415

        button = ipywidgets.Button(
            description=action.label, tooltip=action.tooltip, layout=self._layout, style=self._style
        )
        button.on_click(lambda _: self._click(action, button))
        return button

    def _click(self, action: Action, button: Any) -> None:
        now = time.monotonic()
        if action.confirm and (self._armed_label != action.label or now - self._armed_at > CONFIRM_WITHIN_S):
            self._armed_label, self._armed_at, button.description = action.label, now, action.confirm
            return
        self._armed_label, self._busy_label, self._error, button.disabled = "", action.label, "", True
        self._context.copy().run(event_loop.submit, self._execute(action))

    async def _execute(self, action: Action) -> None:
        try:
            await asyncio.to_thread(action.execute, self._trainer)
        except QianfanError as error:
            self._error = str(error)
        except Exception as error:  # noqa: BLE001 - shown to the person who clicked
            self._error = f"{type(error).__name__}: {error}"
        finally:
            self._busy_label = ""

    def _show_cell(self, cell: str, verb: str, _: LLMFinetune) -> None:
        """Show a cell as text: a button's handler cannot insert a cell into the notebook."""
        instructions = f"<div>{COPY_HINT} <code>%qftrain {verb} {escape(self._progress.run_id)}</code></div>"
        self._cell_html = f"{instructions}<pre {styles.LOG}>{escape(cell)}</pre>"
