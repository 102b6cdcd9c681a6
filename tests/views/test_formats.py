"""Numbers, times, costs and plurals are written alike in all views, in both languages: the rules of
the design.
"""

from dataclasses import replace

import pandas as pd
import pytest
from support.training_progress import DEPLOYED, RUNNING

from qfnb.base.language import in_language
from qfnb.base.text import duration
from qfnb.evaluation.report.text import format_interval
from qfnb.trainer.sweep import SweepProgress
from qfnb.views import chat, formats, listings
from qfnb.views.training import summary
from qfnb.wire.prices import PriceRange

ONE_EPOCH = replace(RUNNING, hyper_parameters={"epoch": 1})
SWEEP = SweepProgress({"epoch=1": DEPLOYED, "epoch=2": DEPLOYED}, started_at=1.0, ended_at=2.0)
CALL = dict(
    at=pd.Timestamp(0), model="m", prompt_tokens=1, completion_tokens=1, seconds=1.0, error=""
)
FREE_CALLS = pd.DataFrame([CALL | {"cost": 0.0, "cost_low": 0.0}])


@pytest.mark.parametrize(
    ("write", "english", "chinese"),
    [
        (lambda: format_interval(0.73, 0.925), "0.730–0.925", "0.730–0.925"),
        (lambda: format_interval(0.659, 1.0, plus=True), "+0.659 to +1.000", "+0.659 到 +1.000"),
        (lambda: formats.seconds(0.48), "0.48 s", "0.48 秒"),
        (lambda: formats.seconds(36), "36 s", "36 秒"),
        (lambda: duration(3900), "1 h 05 min", "1 小时 05 分"),
        (lambda: formats.cost(PriceRange(0.2, 0.25)), "¥0.20–0.25", "¥0.20–0.25"),
        (lambda: formats.cost(None), "price unknown", "价格未知"),
        (lambda: formats.cost(None, is_free=True), "free", "不计费"),
        (lambda: chat.footer(chat.StreamedAnswer("m", seconds=2.0, first_token=1.0))[1], "first token 1.0 s · total 2.0 s", "首字 1.0 秒 · 共 2.0 秒"),
        (lambda: summary.subtitle(ONE_EPOCH).split(" · ")[-1], "1 epoch", "1 轮"),
        (lambda: summary.subtitle(RUNNING).split(" · ")[-1], "6 epochs", "6 轮"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_the_design_says(write, english, chinese):
    written = []
    for language in ("en", "zh"):
        with in_language(language):
            written.append(write().replace("\xa0", " "))
    assert written == [english, chinese]


def test_calls_that_cost_nothing_are_free():
    page = listings.usage_bundle(FREE_CALLS)["text/html"]
    assert (page.count(">free<"), page.count("¥0"), ">1 call<" in page) == (2, 0, True)
