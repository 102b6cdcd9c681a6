"""A form as the trainer that it stands for, and as the Python that makes the same trainer."""

from __future__ import annotations

import json
from typing import Any, Final

from ..errors import InvalidArgumentError
from ..evaluation.evaluator import ExactMatchEvaluator, F1Evaluator, RougeLEvaluator
from ..wire import finetune as wire
from .configs import DeployConfig, TrainConfig
from .finetune import DPO, LLMFinetune, PostPretrain
from .launch import Form, number

LINE: Final = 80

KINDS: dict[str, type[LLMFinetune]] = {
    wire.SFT: LLMFinetune,
    wire.POST_PRETRAIN: PostPretrain,
    wire.DPO: DPO,
}
EVALUATORS = (ExactMatchEvaluator, F1Evaluator, RougeLEvaluator)
"""What a launched training is scored by; all ask the deployed service."""


def trainer(form: Form) -> LLMFinetune:
    """Return the trainer of a form; `start()` makes it begin.

    Raises:
        InvalidArgumentError: the form cannot be launched; names the first field and the reason.
    """
    for key, flaw in form.issues.items():
        raise InvalidArgumentError(f"{key}: {flaw}")
    draft, given = form.draft, _options(form)
    if draft.after in {"deploy", "evaluate"}:
        given["deploy_config"] = DeployConfig(**_deployment(form))
    if draft.after == "evaluate":
        given["eval_dataset"] = form.data[draft.eval_dataset].dataset
        given["evaluators"] = [kind() for kind in EVALUATORS]
    made = KINDS[draft.mode]
    return made(
        draft.model.strip(), form.data[draft.dataset].dataset, TrainConfig(**form.train_settings()), **given
    )


def code(form: Form, variables: frozenset[str] = frozenset()) -> str:
    """Return the cell that does what a launch does, "" while the form cannot be launched.

    Args:
        form: the form.
        variables: names of datasets that are the notebook's own; others are paths and ids.
    """
    if form.issues:
        return ""
    draft, kind = form.draft, KINDS[form.draft.mode].__name__
    parts = [_literal(draft.model.strip()), _data(draft.dataset, variables)]
    parts.append(_call("TrainConfig", form.train_settings()))
    if draft.after in {"deploy", "evaluate"}:
        parts.append(f"deploy_config={_call('DeployConfig', _deployment(form))}")
    parts += [f"{name}={_literal(value)}" for name, value in _options(form).items()]
    if draft.after == "evaluate":
        parts.append(f"eval_dataset={_loaded(draft.eval_dataset, variables)}")
        parts.append(f"evaluators=[{', '.join(f'{row.__name__}()' for row in EVALUATORS)}]")
    body = "".join(f"    {part},\n" for part in parts)
    start = "trainer.start()\n%qftrain show trainer"
    return f"{_imports(form, kind, variables)}\n\ntrainer = {kind}(\n{body})\n{start}"


def _imports(form: Form, kind: str, variables: frozenset[str]) -> str:
    draft = form.draft
    deployed = ["DeployConfig"] if draft.after in {"deploy", "evaluate"} else []
    lines = [f"from qfnb.trainer import {', '.join(sorted([*deployed, kind, 'TrainConfig']))}"]
    if draft.after == "evaluate":
        names = ", ".join(sorted(row.__name__ for row in EVALUATORS))
        lines = [f"from qfnb.evaluation.evaluator import {names}", *lines]
        lines = lines if draft.eval_dataset in variables else ["from qfnb.dataset import Dataset", *lines]
    return "\n".join(lines)


def _options(form: Form) -> dict[str, Any]:
    """Return the arguments that are plain values, those that say something."""
    draft = form.draft
    given: dict[str, Any] = {"name": draft.name.strip()} if draft.name.strip() else {}
    if draft.after == "train":
        return given | {"model_not_publish": True}
    return given | ({"model_name": draft.model_name.strip()} if draft.model_name.strip() else {})


def _deployment(form: Form) -> dict[str, Any]:
    draft = form.draft
    found = {
        "replicas": number(draft.replicas, "int", "replicas"),
        "hours": number(draft.hours, "int", "hours"),
    }
    return ({"endpoint_suffix": draft.suffix.strip()} if draft.suffix.strip() else {}) | found


def _data(source: str, variables: frozenset[str]) -> str:
    return source if source in variables else _literal(source.strip())


def _loaded(source: str, variables: frozenset[str]) -> str:
    """Return what gives the dataset itself, where a name will not do."""
    if source in variables:
        return source
    keyword = "qianfan_dataset_id=" if source.startswith("ds-") else ""
    return f"Dataset.load({keyword}{_literal(source.strip())})"


def _call(name: str, settings: dict[str, Any]) -> str:
    """Return a call, over several lines where one would be long."""
    parts = [f"{key}={_literal(value)}" for key, value in settings.items()]
    line, long = f"{name}({', '.join(parts)})", "".join(f"        {part},\n" for part in parts)
    return line if len(line) < LINE else f"{name}(\n{long}    )"


def _literal(value: Any) -> str:
    """Return a value as it is written, texts in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    return f"[{', '.join(map(_literal, value))}]" if isinstance(value, list) else repr(value)
