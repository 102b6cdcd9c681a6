"""The platform's recipe: its published rows to the last digit, and what the recipe makes of odd
answers.
"""

import pytest

from qfnb.metrics import units
from qianfan_sandbox.finetune import scores

pytest.importorskip("jieba", reason="the platform's words are jieba's")

REFERENCE = "这个周末自驾游去摘杨桃啦！"
PUBLISHED = {
    "周末采摘杨桃助农活动将于1月31日早上8点半出发，前往澄迈杨桃园采摘，报名方式为拨打电话或点击链接。"
    "活动还包含游玩澄迈养生农庄，可自驾前往。报名免费，采摘带走按2.5元/斤。": (
        0.80,
        7.84,
        0.00,
        6.45,
    ),
    "周末去澄迈采摘杨桃，入园免费，带走按2.5元/斤，快来报名！": (2.71, 30.77, 0.00, 28.57),
}


@pytest.mark.parametrize("answer", PUBLISHED)
def test_the_published_rows_come_out(answer):
    similarity = scores.similarity(answer, REFERENCE)
    assert [100 * similarity[name] for name in scores.SCORE_NAMES] == pytest.approx(
        PUBLISHED[answer], abs=0.005
    )


def test_the_same_answer_has_full_marks():
    assert set(scores.similarity(REFERENCE, REFERENCE).values()) == {1.0}
    assert scores.accuracy(REFERENCE, REFERENCE) == {"accuracy": 1.0, "f1Score": 1.0}


def test_words_are_kept_where_nobody_else_can_write(monkeypatch, tmp_path):
    monkeypatch.setenv("QFNB_STATE_DIR", str(tmp_path))
    units.load_cutter.cache_clear()
    assert scores.split_words("北京大学") == ["北京大学"]
    assert (tmp_path / "words").stat().st_mode & 0o77 == 0
    assert [path.name for path in (tmp_path / "words").iterdir()] == ["jieba.cache"]
    units.load_cutter.cache_clear()


def test_without_jieba_characters_are_words(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "jieba", None)
    units.load_cutter.cache_clear()
    assert scores.word_unit() == "characters"
    assert scores.split_words("北京 好") == ["北", "京", "好"]
    units.load_cutter.cache_clear()
