"""A form as the trainer that it stands for, and as the Python that makes the same trainer."""

from __future__ import annotations

import json
from typing import Any, Final

from ...errors import InvalidArgumentError
from ...evaluation.evaluator import ExactMatchEvaluator, F1Evaluator, RougeLEvaluator
from ...wire import finetune as wire
from ..configs import DeployConfig, TrainConfig
from ..finetune import DPO, LLMFinetune, PostPretrain
from .value import LaunchForm, parse_value

MAX_LINE_LENGTH: Final = 80

TRAINER_CLASSES: dict[str, type[LLMFinetune]] = {
    wire.SFT: LLMFinetune,
    wire.POST_PRETRAIN: PostPretrain,
    wire.DPO: DPO,
}
EVALUATORS = (ExactMatchEvaluator, F1Evaluator, RougeLEvaluator)
"""What a launched training is scored by; all ask the deployed service."""


def create_trainer(form: LaunchForm) -> LLMFinetune:
    """Return the trainer of a form; `start()` makes it begin.

    Raises:
        InvalidArgumentError: the form cannot be launched; names the first field and the reason.
    """
    for key, message in form.issues.items():
        raise InvalidArgumentError(f"{key}: {message}")
    draft, arguments = form.draft, _options(form)
    if draft.after in {"deploy", "evaluate"}:
        arguments["deploy_config"] = DeployConfig(**_deploy_options(form))
    if draft.after == "evaluate":
        arguments["eval_dataset"] = form.datasets[draft.eval_dataset].dataset
        arguments["evaluators"] = [kind() for kind in EVALUATORS]
    trainer_class = TRAINER_CLASSES[draft.mode]
    return trainer_class(
        draft.model.strip(),
        form.datasets[draft.dataset].dataset,
        TrainConfig(**form.train_settings()),
        **arguments,
    )


def render_code(form: LaunchForm, variables: frozenset[str] = frozenset()) -> str:
    """Return the cell that does what a launch does, "" while the form cannot be launched.

    Args:
        form: the form.
        variables: names of datasets that are the notebook's own; others are paths and ids.
    """
    if form.issues:
        return ""
    draft, class_name = form.draft, TRAINER_CLASSES[form.draft.mode].__name__
    arguments = [_literal(draft.model.strip()), _dataset_expression(draft.dataset, variables)]
    arguments.append(_render_call("TrainConfig", form.train_settings()))
    if draft.after in {"deploy", "evaluate"}:
        arguments.append(f"deploy_config={_render_call('DeployConfig', _deploy_options(form))}")
    arguments += [f"{name}={_literal(value)}" for name, value in _options(form).items()]
    if draft.after == "evaluate":
        arguments.append(f"eval_dataset={_load_expression(draft.eval_dataset, variables)}")
        arguments.append(f"evaluators=[{', '.join(f'{row.__name__}()' for row in EVALUATORS)}]")
    body = "".join(f"    {part},\n" for part in arguments)
    start = "trainer.start()\n%qftrain show trainer"
    return f"{_imports(form, class_name, variables)}\n\ntrainer = {class_name}(\n{body})\n{start}"


def _imports(form: LaunchForm, class_name: str, variables: frozenset[str]) -> str:
    draft = form.draft
    deployed = ["DeployConfig"] if draft.after in {"deploy", "evaluate"} else []
    lines = [f"from qfnb.trainer import {', '.join(sorted([*deployed, class_name, 'TrainConfig']))}"]
    if draft.after == "evaluate":
        names = ", ".join(sorted(row.__name__ for row in EVALUATORS))
        lines = [f"from qfnb.evaluation.evaluator import {names}", *lines]
        lines = lines if draft.eval_dataset in variables else ["from qfnb.dataset import Dataset", *lines]
    return "\n".join(lines)


def _options(form: LaunchForm) -> dict[str, Any]:
    """Return the arguments that are plain values, those that say something."""
    draft = form.draft
    options: dict[str, Any] = {"name": draft.name.strip()} if draft.name.strip() else {}
    if draft.after == "train":
        return options | {"model_not_publish": True}
    return options | ({"model_name": draft.model_name.strip()} if draft.model_name.strip() else {})


def _deploy_options(form: LaunchForm) -> dict[str, Any]:
    draft = form.draft
    counts = {
        "replicas": parse_value(draft.replicas, "int", "replicas"),
        "hours": parse_value(draft.hours, "int", "hours"),
    }
    return ({"endpoint_suffix": draft.suffix.strip()} if draft.suffix.strip() else {}) | counts


def _dataset_expression(source: str, variables: frozenset[str]) -> str:
    return source if source in variables else _literal(source.strip())


def _load_expression(source: str, variables: frozenset[str]) -> str:
    """Return what gives the dataset itself, where a name will not do."""
    if source in variables:
        return source
    keyword = "qianfan_dataset_id=" if source.startswith("ds-") else ""
    return f"Dataset.load({keyword}{_literal(source.strip())})"


def _render_call(name: str, settings: dict[str, Any]) -> str:
    """Return a call, over several lines where one would be long."""
    arguments = [f"{key}={_literal(value)}" for key, value in settings.items()]
    line, multi_line = f"{name}({', '.join(arguments)})", "".join(f"        {part},\n" for part in arguments)
    return line if len(line) < MAX_LINE_LENGTH else f"{name}(\n{multi_line}    )"


def _literal(value: Any) -> str:
    """Return a value as it is written, texts in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    return f"[{', '.join(map(_literal, value))}]" if isinstance(value, list) else repr(value)
