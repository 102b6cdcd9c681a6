"""Smaller versions of a published model, which the platform makes."""

from __future__ import annotations

from typing import Any, Self

from ..base.language import tr
from ..config import settings
from ..errors import InvalidArgumentError
from ..resources.console.consts import (
    ModelCompStrategy,
    ModelCompTaskStatus,
    ModelQuantizationWeight,
)
from ..resources.management.model import Model as Repository
from ..resources.validation import validate_choice
from .polling import wait_for_state


class Compressible:
    """A published model that can be made smaller; `Model` inherits it."""

    id: int | str | None
    set_id: str | None

    def auto_complete_info(self) -> None:
        """Look up the model's id and name by its version."""
        raise NotImplementedError

    def compress(
        self, strategy: ModelCompStrategy | str, weight: ModelQuantizationWeight | str | None = None
    ) -> Self:
        """Return a smaller version, once the platform has made it.

        Args:
            strategy: Quantization or Sparsity.
            weight: the format of quantized weights, e.g. INT8-PTQ.

        Raises:
            InvalidArgumentError: the strategy is unknown, Quantization has no weight, or it cannot
                be compressed.
            QianfanError: the platform failed.

        Source: the official SDK's Model.compress.
        """
        self.auto_complete_info()
        config: dict[str, Any] = {
            "strategy": validate_choice("strategy", strategy, tuple(ModelCompStrategy))
        }
        if strategy == ModelCompStrategy.Quantization:
            config["weight"] = validate_choice(
                "weight", weight or "", tuple(ModelQuantizationWeight)
            )
        if not Repository.V2.describe_model(str(self.id)).data.is_support_model_comp:
            raise InvalidArgumentError(tr("the platform cannot compress {model}", model=self))
        name = "-".join(["compressed", str(self.id), *config.values()])
        task_id = Repository.V2.create_model_comp_task(
            name, str(self.id), config, str(self.set_id)
        ).data
        answer = wait_for_state(
            lambda: Repository.V2.describe_model_comp_task(task_id),
            lambda answer: answer.data.status,
            done_states={ModelCompTaskStatus.Succeeded},
            failed_states={ModelCompTaskStatus.Failed, ModelCompTaskStatus.Stopped},
            interval=settings().model_publish_status_polling_interval,
            label=tr("compressing {model}", model=self),
        )
        return type(self)(id=answer.data.model_id)  # type: ignore[call-arg] # `Model` has it
