"""The platform's hyper-parameters under the optimiser's names, for the training of a model
directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class TuningRecipe:
    """The hyper-parameters of a training."""

    full: bool = False  # whether all weights are trained instead of an adapter
    epochs: int = 1
    learning_rate: float = 3e-4
    batch_size: int = 4
    max_length: int = 4096  # tokens of a pair
    rank: int = 8  # of the adapter
    alpha: int = 16  # of the adapter
    dropout: float = 0.05  # of the adapter
    warmup: float = 0.1  # the share of the steps (0-1) in which the learning rate rises
    weight_decay: float = 0.01
    every: int = 1  # steps between two reports
    seed: int = 0
    # steps between two validations, None for one after each epoch
    validation_interval: int | None = None


RECIPE_FIELDS: Final[dict[str, tuple[str, type]]] = {
    "epoch": ("epochs", int),
    "learningRate": ("learning_rate", float),
    "batchSize": ("batch_size", int),
    "globalBatchSize": ("batch_size", int),
    "maxSeqLen": ("max_length", int),
    "loraRank": ("rank", int),
    "loraAlpha": ("alpha", int),
    "loraDropout": ("dropout", float),
    "warmupRatio": ("warmup", float),
    "weightDecay": ("weight_decay", float),
    "loggingSteps": ("every", int),
    "seed": ("seed", int),
    "validationStep": ("validation_interval", int),
}
"""The platform's hyper-parameters: the fields of a recipe and their types."""


def tuning_recipe(values: Mapping[str, Any], *, full: bool) -> TuningRecipe:
    """Return the recipe for the platform's hyper-parameters, with defaults for those that are
    missing.
    """
    chosen = {
        name: kind(values[key])
        for key, (name, kind) in RECIPE_FIELDS.items()
        if values.get(key) is not None
    }
    return TuningRecipe(
        full=full, **({"alpha": 2 * chosen.get("rank", TuningRecipe.rank)} | chosen)
    )
