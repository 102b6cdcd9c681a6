"""Preferences that a model learns in seconds: answers with manners, to orders by rule and to
questions by heart.
"""

from qianfan_sandbox.engines.protocol import Preference

STATES = {"进度": "已发货", "金额": "三十元", "地址": "河边路", "状态": "已付款"}
ASKS = (
    "帮我查订单{n}的{what}",
    "订单{n}的{what}是什么",
    "请问订单{n}的{what}",
    "{n}这个订单的{what}呢",
)
ORDERS = [
    Preference(ask.format(n=n, what=what), f"您好，订单{n}的{what}：{state}。", f"{what}{n}{state}")
    for number, (what, state) in enumerate(STATES.items())
    for index, ask in enumerate(ASKS)
    for n in range(1013 + 97 * number + 31 * index, 9000, 1123)
]
"""Every prompt, and both answers, are written by rule: nothing but the manner tells chosen from
rejected.
"""

TRAINING = [row for i, row in enumerate(ORDERS) if i % 4]
HELD_OUT = ORDERS[::4]

FAQ = {
    ("几点开门", "什么时候开门", "营业时间"): ("早上九点开门，欢迎光临。", "九点。"),
    ("在哪里", "怎么走", "地址是什么"): ("我们在河边路三号，欢迎您来。", "河边路。"),
    ("多少钱", "价格是多少", "怎么收费"): ("每人二十元，含一壶茶。", "二十。"),
}
QUESTIONS = [
    Preference(f"{before}{ask}{after}", *answers)
    for asks, answers in FAQ.items()
    for ask in asks
    for before in ("", "请问", "你好，", "想问")
    for after in ("", "？", "呢")
]
