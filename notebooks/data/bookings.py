"""Bookings as guests write them, and the note that the till wants: a rule to learn, not a fact to
remember.

The templates for training and for holding out are different sentences; the values are drawn by a
seeded generator, and no held-out booking is in the training data.
"""

from __future__ import annotations

import json
import random

_DATES = [f"{month}月{day}日" for month in range(1, 13) for day in (3, 9, 16, 28)]
DAYS = ("明天", "后天", "周五", "周六", "周日", *_DATES)
_HOURS = ("上午10", "上午11", *(f"下午{hour}" for hour in range(1, 6)), "晚上6", "晚上7", "晚上8")
TIMES = tuple(f"{hour}点{half}" for hour in _HOURS for half in ("", "半"))
GUESTS = range(2, 13)
SEATS = ("院子", "窗边", "大厅", "包间", "二楼")

TRAIN = (
    "订座：{day}{time}，{guests}位，{seat}",
    "我想订{day}{time}的位子，{guests}个人，坐{seat}",
    "{day}{time}，{guests}位，要{seat}",
    "帮我留一个{seat}的座位，{day}{time}，{guests}人",
    "你好，{guests}个人，{day}{time}到，{seat}有位子就订上",
    "预订{seat}，{guests}位，{day}{time}",
    "我们{guests}个人{day}{time}过来喝茶，想坐{seat}",
    "麻烦订一下{day}的{seat}，{time}，一共{guests}位",
    "{guests}位，{day}，{time}，{seat}，麻烦安排",
    "{seat}还有位子吗，{day}{time}，{guests}个人",
    "订位：{day}，{time}，{guests}人，{seat}，谢谢",
    "想约{time}的{seat}，{day}，我们一共{guests}人",
)
HELD_OUT = (
    "{day}{time}我们{guests}位，留{seat}",
    "想坐{seat}，{day}{time}，{guests}个人，帮我订一下",
    "请帮忙预订：{guests}人，{day}，{time}，{seat}",
)


def pairs(templates: tuple[str, ...], count: int, seed: int) -> list[tuple[str, str]]:
    """Return (booking, JSON note) pairs; the templates take turns."""
    chance = random.Random(seed)
    found = {}
    while len(found) < count:
        values = {
            "day": chance.choice(DAYS),
            "time": chance.choice(TIMES),
            "guests": chance.choice(GUESTS),
            "seat": chance.choice(SEATS),
        }
        note = {
            "日期": values["day"],
            "时间": values["time"],
            "人数": values["guests"],
            "位置": values["seat"],
        }
        found[templates[len(found) % len(templates)].format(**values)] = json.dumps(
            note, ensure_ascii=False
        )
    return list(found.items())
