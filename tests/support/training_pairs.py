"""Small data that a model learns in a second."""

HOURS = "九点开门，六点关门。"
PLACE = "在河边路三号。"
PRICE = "每人二十元。"
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
