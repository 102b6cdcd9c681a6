import os

import pytest

# before numpy: two threads take longer than one
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from support.training_pairs import RULE, SMALL  # noqa: E402

from qianfan_sandbox.engines.builtin.model import LanguageModel  # noqa: E402
from qianfan_sandbox.engines.builtin.training import Hyperparameters, train  # noqa: E402


@pytest.fixture(scope="session")
def small() -> LanguageModel:
    return train(SMALL)


@pytest.fixture(scope="session")
def mixed() -> LanguageModel:
    return train(SMALL + RULE, hyperparameters=Hyperparameters(epochs=40))
