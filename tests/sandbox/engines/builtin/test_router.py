"""The router: its updates are those of gradient descent with momentum, and many answers share
columns.
"""

import numpy as np
import pytest

from qianfan_sandbox.engines.builtin.features import Features, softmax
from qianfan_sandbox.engines.builtin.router import (
    MAX_COLUMNS,
    MOMENTUM,
    MemoryRouter,
    RouterTraining,
)

PAIRS = [
    (f"{chr(0x5000 + 37 * i)}{chr(0x6000 + 17 * i)}的产地", f"{i}号山")
    for i in range(MAX_COLUMNS + 88)
]


def fitted(pairs, passes):
    features = Features().add(pairs)
    router = MemoryRouter(features, [answer for _, answer in pairs])
    labels = np.arange(1, len(pairs) + 1)
    training = RouterTraining(router, [prompt for prompt, _ in pairs], labels, passes)
    for _ in training.parts(1):
        pass
    return router


@pytest.fixture(scope="module")
def shared():
    return fitted(PAIRS, 6)


def test_rows_that_are_moved_late_end_where_those_that_are_moved_at_once_do():
    pairs = PAIRS[:48]
    passes = 3
    size = 16
    router = fitted(pairs, passes)
    data = np.zeros((len(pairs), len(router.weights["W"])))
    for row, (prompt, _) in zip(data, pairs, strict=True):
        ids, weight = router.features(prompt)
        row[ids] = weight
    table = np.zeros(router.weights["W"].shape)
    bias = np.zeros(len(pairs) + 1)
    velocity = np.zeros_like(table)
    bias_velocity = np.zeros_like(bias)
    random = np.random.default_rng(0)
    for number in range(passes):
        order = random.permutation(len(pairs))
        for start in range(0, len(order), size):
            group = order[start : start + size]
            delta = softmax(data[group] @ table + bias)
            delta[np.arange(size), group + 1] -= 1
            velocity = MOMENTUM * velocity + data[group].T @ delta / size
            bias_velocity = MOMENTUM * bias_velocity + delta.mean(0)
            table -= 4 * (1 - number / passes) * velocity
            bias -= 4 * (1 - number / passes) * bias_velocity
    assert np.allclose(router.weights["W"], table, atol=1e-4)


def test_many_answers_share_columns_and_each_is_found(shared):
    assert shared.weights["W"].shape[1] < len(PAIRS)
    right = [
        shared.probabilities(prompt).argmax() == number
        for number, (prompt, _) in enumerate(PAIRS, 1)
    ]
    assert sum(right) > 0.99 * len(PAIRS)


def test_derivatives_by_columns_are_the_transpose_of_the_sum_over_columns(shared):
    random = np.random.default_rng(0)
    by_column = random.normal(size=(2, len(shared.weights["b"])))
    by_class = random.normal(size=(2, len(PAIRS) + 1))
    assert (shared.class_scores(by_column) * by_class).sum() == pytest.approx(
        (by_column * shared.column_gradients(by_class)).sum()
    )
