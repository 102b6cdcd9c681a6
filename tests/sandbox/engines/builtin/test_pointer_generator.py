import numpy as np
import pytest
from support.gradients import dense

from qianfan_sandbox.engines.builtin.features import Features
from qianfan_sandbox.engines.builtin.pointer_generator import PointerGenerator

PAIRS = [
    ("日期4月12日", "4-12"),
    ("我叫王芳，25岁", '{"名": "王芳", "岁": 25}'),
    ("营业时间", "九点"),
]
STEP = 1e-5


@pytest.fixture(scope="module")
def model():
    features = Features().add(PAIRS)
    model = PointerGenerator(features, "".join(answer for _, answer in PAIRS).replace("芳", ""))
    noise = np.random.default_rng(1)
    for name, value in model.weights.items():  # 64 bits: finite differences need them
        model.weights[name] = value.astype(float) + 0.1 * noise.standard_normal(value.shape)
    return model


@pytest.fixture(scope="module")
def examples(model):
    return [model.example(*pair) for pair in PAIRS]


@pytest.fixture(scope="module")
def gradients(model, examples):
    return {
        name: dense(gradient, model.weights[name])
        for name, gradient in model.loss(examples)[1].items()
    }


def mean_loss(model, examples):
    return model.loss(examples)[0].sum() / sum(len(example.target) for example in examples)


@pytest.mark.parametrize(
    "name", ["E", "S", "Wy", "T", "b", "Wq", "Wk", "Wv", "L", "wg", "wc", "bg", "Wo", "bo"]
)
def test_gradients_equal_finite_differences(model, examples, gradients, name):
    weights = model.weights[name]
    gradient = gradients[name]
    indexes = np.argwhere(np.abs(gradient) > 1e-4)
    for index in map(tuple, indexes[:: max(1, len(indexes) // 4)][:4]):
        before = weights[index]
        losses = []
        for weights[index] in (before + STEP, before - STEP):
            losses.append(mean_loss(model, examples))
        weights[index] = before
        assert gradient[index] == pytest.approx((losses[0] - losses[1]) / (2 * STEP), rel=1e-3)


def test_a_character_outside_of_the_alphabet_can_be_copied(model):
    assert "芳" not in model.index
    assert model.loss([model.example("我叫王芳", "芳")])[0] < 20
