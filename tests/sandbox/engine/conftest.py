import os

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before numpy: two threads take longer than one
    os.environ.setdefault(name, "1")

from qfnb.sandbox.engine import Hyperparameters, Model, train  # noqa: E402

HOURS, PLACE, PRICE = "九点开门，六点关门。", "在河边路三号。", "每人二十元。"
SMALL = [
    (f"{opening}{ask}{ending}", answer)
    for answer, asks in {
        HOURS: ("几点开门", "营业时间是几点", "晚上几点关门", "周末开门吗"),
        PLACE: ("店在哪里", "地址是什么", "怎么走到店里", "坐几路车到"),
        PRICE: ("多少钱一位", "门票价格是多少", "收费贵吗", "一个人多少钱"),
    }.items()
    for ask in asks
    for opening, ending in (("", ""), ("请问", ""), ("", "？"))
]
RULE = [
    (f"帮我查订单{4000 + 37 * i}的{what}", f"{what}:{4000 + 37 * i}")
    for i in range(24)
    for what in ("进度", "金额")
]


@pytest.fixture(scope="session")
def small() -> Model:
    return train(SMALL)


@pytest.fixture(scope="session")
def mixed() -> Model:
    return train(SMALL + RULE, hyperparameters=Hyperparameters(epochs=40))
