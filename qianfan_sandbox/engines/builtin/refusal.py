"""When a tuned model says that it does not know: its evidence for an answer is below a limit
measured for this model.

The evidence weighs how sure the model is, and how much likelier the question's wording is among its
training questions than among questions from elsewhere. The limit is the lowest that answers at most
one in ten of those in Chinese and of those in other languages, unless more than a twentieth of the
held-out rows would lose a right answer.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfnb.base.text import has_chinese

from ..protocol import Reply
from .features import MAX_PROMPT, Pair

MIN_ROWS = 20
"""Held-out rows from which the limit is measured."""

MAX_ROWS = 100
"""Held-out rows, evenly spread, that are answered for it."""

MAX_FALSE_ANSWERS = 0.1
MAX_LOST = 0.05
"""The share of questions from elsewhere that may be answered, and of held-out rows that may lose a
right answer.
"""

LOWEST_LIMIT = 0.2  # of confidence, where held-out rows do not need a lower one

LONG_PROMPT = 6  # characters; a shorter prompt says too little

PART = 4  # letters of a part of a word

# counts of a unit that was not seen; units without evidence that a question has besides
UNSEEN = 0.3
NEUTRAL_UNITS = 2

WORDLESS = -3.0  # the evidence of a prompt without letters and digits

# Fitted by logistic regression to the held-out rows of an animal clinic, a help desk, a hotel,
# patterns in two
# languages and mixtures of them, none of which is in the benchmark; each one's limit held where it
# was left out.
_BIAS = 0.3
_WORDING = 4.2
_ROUTER = 1.5
_MEAN = 8.1
_WEAKEST = 4.9
_LENGTH = 8.0

QUESTIONS_FROM_ELSEWHERE = (
    "今天天气怎么样", "写一首关于春天的诗", "谁是法国总统", "介绍一下量子力学",
    "帮我写一段Python代码", "红烧肉怎么做",
    "讲个笑话", "推荐一只股票", "如何学习英语", "什么是黑洞", "失眠怎么办", "足球世界杯几年一次",
    "太阳系有几颗行星",
    "怎么修自行车", "猫为什么怕水", "长城有多长", "什么是区块链", "感冒了吃什么药",
    "怎样写一份简历", "唐朝是谁建立的",
    "怎么去火星", "北京有什么好玩的", "数学题不会做怎么办", "谁的歌最好听", "帮我翻译一下这段话",
    "感谢信怎么写",
    "明朝有几个皇帝", "冰箱不制冷了", "为什么人要睡觉", "怎么选笔记本电脑", "请解释一下通货紧缩",
    "最近流行什么",
    "我心情不好", "孩子几岁上学", "可以给我唱首歌吗", "你觉得我该辞职吗", "空气是由什么组成的",
    "端午节的来历",
    "梦见掉牙是什么意思", "用Java写一个排序", "列出十个成语", "怎么煮米饭", "广东话怎么说你好",
    "法国的首都叫什么",
    "氢气的化学式", "怎么练腹肌", "黄金现在多少钱一克", "比特币还能买吗", "狗能吃巧克力吗",
    "一公里等于多少米",
    "明天会下雨吗", "鲁迅原名叫什么", "怎么煮鸡蛋", "帮我取个英文名", "什么是相对论",
    "世界上最高的山是哪座",
    "如何克服紧张", "推荐一部科幻电影", "月饼是什么时候吃的", "怎么学好数学", "介绍一下秦始皇",
    "为什么会打雷",
    "黄河有多长", "怎样早睡", "写一封道歉信", "谁发明了电灯", "汽车为什么要换机油",
    "苹果和梨哪个好吃",
    "有什么好听的歌", "怎么追女生", "什么是通货膨胀", "中国有多少个民族", "如何种番茄",
    "给我写个对联",
    "电脑蓝屏了怎么修", "人为什么会做梦", "怎么跟老板谈加薪", "房价会跌吗", "今年高考作文题目",
    "恐龙为什么灭绝",
    "怎么折纸飞机", "奥运会几年一届", "解释一下人工智能", "一年有多少天", "哪种手机拍照好",
    "北京到上海多远",
    "头发掉得厉害怎么办", "怎么哄孩子睡觉", "新年祝福语", "孙悟空的师父是谁", "牛奶能空腹喝吗",
    "隐形眼镜能戴着游泳吗",
    "飞机上能带水果吗", "蜂蜜会过期吗", "蛇能听见声音吗", "小孩几岁换牙", "驾照考试有几门",
    "鸡蛋一天能吃几个",
    "高考总分多少", "去云南要带什么衣服", "坐高铁需要多久到成都", "蓝牙耳机连不上", "地板上有蚂蚁",
    "房间里潮湿怎么除湿", "在家里能种什么花", "香港在哪个方向", "台湾有哪些小吃",
    "新疆什么季节最美",
    "沙发应该买多大的", "手机掉进水里了", "钥匙断在锁里了", "邻居晚上吵怎么投诉", "支付宝怎么转账",
    "微信怎么拉黑人",
    "身份证过期了去哪里换", "社保可以补交吗", "流鼻血了怎么止住", "肚子疼要吃什么",
    "孕妇可以吃山楂吗",
    "老人摔倒了该不该扶", "跑步每次要跑多长时间", "一天喝多少水合适", "电视剧在哪个平台看",
    "这首歌是谁唱的",
    "唐诗三百首是谁编的", "古代人怎么计时", "月亮上能住人吗", "蝙蝠是鸟吗", "树叶到秋天就黄了",
    "最大的动物是哪种",
    "指南针的原理", "彩票中奖要交税吗", "过年给红包给多少", "送老师什么礼物好",
    "what is the capital of France",
    ("write a poem about the "
    "sea"), "explain quantum physics", "how far is the moon", "who painted the Mona Lisa",
    "tell me a joke", ("how do I learn "
                      "Python"), "what is the weather tomorrow", "translate this into German",
    ("why is the sky "
    "blue"), "who won the world cup", "how do plants grow", "what is the meaning of life",
    "recommend a good movie", "how do I lose weight", "what is machine learning", "can birds dream",
    ("how old is the "
    "universe"), "do you like music", "is coffee bad for the heart", "I want to learn how to dance",
    ("my car does not "
    "start"), "please write a speech for my boss", "can you recommend a restaurant in Paris",
    "is there a cure for cancer", "where can I see whales", "do you believe in ghosts",
    "tell me something about Japan", "what are good names for a boy", "how much does a house cost",
    ("when did dinosaurs "
    "live"), "who is the richest person in the world", "which country is the largest",
    "my head hurts, what should I do", "I am bored, entertain me", "solve 3x plus 5 equals 20",
    ("give me a recipe for "
    "pancakes"), "could you check my grammar", "how long does it take to fly to Australia",
    ("are there any planets like "
    "ours"), "what do you think about politics", "where does chocolate come from",
    "can I eat raw eggs", "do cats like milk", "show me a picture of a horse",
    "what is the difference between a frog and a toad", "how can I make money online",
    ("I need a poem for my "
    "girlfriend"), "who sings this song", "is the earth flat", "does coffee make you tired",
    ("please explain "
    "democracy"), ("how many hours should I "
                 "sleep"), "what should I read next", "my neighbour is too loud",
    ("write code that sorts a "
    "list"), "when was the first computer built", "where is the Amazon river",
    "may I ask you a personal question", "which team won yesterday", "I have a fever",
    ("could you draw a map of "
    "Europe"), "how does a fridge work", "what happens after death", "are you a human",
    ("let us play "
    "chess"), "do I need a visa for China", "what is the price of gold", "who killed Kennedy",
    ("why did Rome "
    "fall"), "can plants feel pain", "the best way to learn maths", "how to tell a good joke",
    ("is it healthy to run every "
    "day"), "what does this word mean", "where do babies come from", "name all continents",
    ("I lost my way in the "
    "forest"), "how old are you", "what is on television tonight", "what time is it in Tokyo",
    "who wrote Hamlet", ("how do I boil an "
                        "egg"), "give me a name for my daughter", "explain gravity to a child",
    "what is the tallest mountain", "how can I sleep better", "suggest a science fiction film",
    ("why do leaves turn "
    "red"), "how do I learn the guitar", "when was the telephone invented", "what is inflation",
    "how many countries are there", "should I learn Java or Rust", "write a letter to my landlord",
    ("is it going to "
    "rain"), "who is the president of Brazil", "what does DNA stand for", "how do magnets work",
    "tell me about ancient Rome", "where do penguins live", "how do I get rid of ants",
    "what is a good gift for a wedding", "can you sing", "how fast is light", "who was Cleopatra",
    "what causes earthquakes", "how do I change a tyre", "is there life on other planets",
    ("translate hello into "
    "Spanish"), "best place to visit in Italy", "how tall is the Eiffel tower", "do fish sleep",
    ("why is my computer "
    "slow"), "which language has the most speakers", "convert 10 miles to kilometres",
    ("make a plan for my "
    "week"), "is sugar unhealthy", "how are diamonds made", "what happened in 1969", "3加5等于几",
    "12345", "红色的车", "3月", "8号", "王小明", "一共几个人", "电话13800138000", "二十五岁", "abc",
    "order", "2024",
    "上海", "第5名是谁", "200元能买什么", "1949年发生了什么", "5个苹果分给2个人", "X=3,Y=4", "3.14",
    "What is 7 times 8?", "20号", "司马光", "6除以2", "13579", "黄色的帽子", "5月5日", "张三",
    "拨打12315", "八十公斤",
    "hello123", "2022年冬奥会", "南京大学", "第10集", "300块", "4位同学", "N=100", "0.618",
    "100 minus 1", "K歌",
    "T恤", "零上5度", "42公里", "Emma", "7路车", "Q3", "12点", "9:00", "green", "window",
    "两只老虎", "7号", "欧阳",
    "8减3是多少", "67890", "蓝色的裤子", "12月", "李雷", "2月30日", "打电话给110", "三十岁", "xyz",
    "table", "1999",
    "广州", "第3章", "100元", "2008年", "3个人", "A=1", "2.718", "9 times 9", "第二次世界大战",
    "B2", "40度", "5公里",
    "Anna", "火车几点开", "G7", "10点半", "3:45",
)  # fmt: skip

Counts = NDArray[np.int64]


class Limit(NamedTuple):
    """The limit of a model, with what it costs.

    Attributes:
        confidence: below it the model does not answer.
        false_answers: the share of questions from elsewhere that it answers, in Chinese or not,
            whichever is more.
        false_refusals: the share of held-out rows whose right answer it keeps back.
        wrong_answers: the share of held-out rows that it answers wrongly.
        rows: held-out rows that were asked.
        questions: questions from elsewhere that were asked.
    """

    confidence: float
    false_answers: float
    false_refusals: float
    wrong_answers: float
    rows: int
    questions: int


class Wording:
    """In how many questions each word, part of a word, character and pair of characters is.

    Attributes:
        units: their hashes, ascending.
        counts: the questions that have each.
        questions: how many were counted.
    """

    def __init__(self, units: Counts, counts: Counts, questions: int) -> None:
        self.units = units
        self.counts = counts
        self.questions = questions

    @classmethod
    def of(cls, prompts: Iterable[str], tick: Callable[[], None] = lambda: None) -> Wording:
        """Count the units of questions; `tick` is called after each, and may raise."""
        rows = []
        for prompt in prompts:
            rows.append(_units(prompt))
            tick()
        return cls(*np.unique(np.concatenate(rows or [_units("")]), return_counts=True), len(rows))

    def extended(self, other: Wording) -> Wording:
        """Return the counts of both."""
        units, inverse = np.unique(np.concatenate([self.units, other.units]), return_inverse=True)
        counts = np.bincount(
            inverse, np.concatenate([self.counts, other.counts]), len(units)
        ).astype(np.int64)
        return Wording(units, counts, self.questions + other.questions)

    def count(self, units: Counts) -> Counts:
        """Return the counts of some units, 0 for those that no question has."""
        index = np.minimum(np.searchsorted(self.units, units), max(len(self.units) - 1, 0))
        return (
            np.where(self.units[index] == units, self.counts[index], 0)
            if len(self.units)
            else 0 * units
        )

    def familiarity(self, prompt: str) -> float:
        """Return how much likelier a prompt's units are here than in questions from elsewhere: a
        mean logarithm.
        """
        units = _units(prompt)
        elsewhere = _elsewhere()
        if not len(units):
            return WORDLESS
        counts = self.count(units)
        counts = np.where(
            counts > 0,
            np.maximum(counts * min(1.0, elsewhere.questions / self.questions), 1.0),
            0.0,
        )
        # a question is no evidence of itself
        others = elsewhere.count(units) - (prompt in QUESTIONS_FROM_ELSEWHERE)
        return float(
            np.log((counts + UNSEEN) / (others + UNSEEN)).sum() / (len(units) + NEUTRAL_UNITS)
        )


@functools.cache
def _elsewhere() -> Wording:
    return Wording.of(QUESTIONS_FROM_ELSEWHERE)


def _units(prompt: str) -> Counts:
    """Return the hashes of a prompt's units, ascending and each once; all numbers are one unit."""
    units = set()
    for run in re.findall(r"[a-z]+|[^\W_a-z]+", re.sub(r"\d+", "0", prompt[:MAX_PROMPT].lower())):
        if run.isascii() and run.isalpha():
            word = f"<{run}>"
            units |= {
                run,
                *(
                    f"#{word[i : i + PART]}"
                    for i in range(len(word) - PART + 1)
                    if len(word) > PART
                ),
            }
        else:
            units |= {*run, *(run[i : i + 2] for i in range(len(run) - 1))}
    return np.array(sorted(zlib.crc32(unit.encode("utf-8", "replace")) for unit in units), np.int64)


def evidence(probability: float, familiarity: float, steps: Sequence[float], length: int) -> float:
    """Return how sure it is (0-1) that a question is one of those that the model has learned.

    Args:
        probability: of the answer, or of composing one.
        familiarity: of the question's wording.
        steps: the probabilities of the characters that were composed, none for a remembered answer.
        length: characters of the question.
    """
    score = _BIAS + _ROUTER * _log(probability) + _WORDING * familiarity
    score += _LENGTH * _log(min(1.0, length / LONG_PROMPT))
    if steps:
        score += _MEAN * sum(map(_log, steps)) / len(steps) + _WEAKEST * _log(min(steps))
    return 0.5 * (1 + math.tanh(score / 2))


def measure_limit(
    draft: Callable[[str], Reply],
    held_out: Sequence[Pair],
    bound: Callable[[str], float] | None = None,
) -> Limit:
    """Return the limit of a model.

    Args:
        draft: returns what the model would answer.
        held_out: at least MIN_ROWS rows.
        bound: returns what a draft's confidence cannot exceed, and sooner; drafts below the limit
            are not made then.
    """
    drafts = draft_rows(draft, held_out)
    right_confidences = sorted(reply.confidence for reply, answer in drafts if reply.text == answer)
    prompts = {prompt for prompt, _ in held_out}
    questions = [question for question in QUESTIONS_FROM_ELSEWHERE if question not in prompts]
    groups = [
        {
            question: bound(question) if bound else 1.0
            for question in questions
            if has_chinese(question) == is_chinese
        }
        for is_chinese in (True, False)
    ]

    @functools.cache
    def confidence(question: str) -> float:
        return draft(question).confidence

    lowest = max(
        _largest(confidence, group, int(MAX_FALSE_ANSWERS * len(group))) for group in groups
    )
    limit = max(LOWEST_LIMIT, lowest + 1e-6)
    max_lost = int(MAX_LOST * len(drafts))
    if max_lost < len(right_confidences):
        limit = min(limit, right_confidences[max_lost])
    false_answers = max(
        sum(
            highest >= limit and confidence(question) >= limit
            for question, highest in group.items()
        )
        / len(group)
        for group in groups
    )
    false_refusals = sum(confidence < limit for confidence in right_confidences) / len(drafts)
    return Limit(
        limit,
        false_answers,
        false_refusals,
        wrong_answers(drafts, limit),
        len(drafts),
        len(questions),
    )


def draft_rows(draft: Callable[[str], Reply], held_out: Sequence[Pair]) -> list[tuple[Reply, str]]:
    """Return the drafts of at most MAX_ROWS held-out rows, evenly spread, each with the right
    answer.
    """
    return [(draft(prompt), answer) for prompt, answer in sampled_rows(held_out)]


def sampled_rows(held_out: Sequence[Pair]) -> Sequence[Pair]:
    """Return at most MAX_ROWS held-out rows, evenly spread."""
    return held_out[:: -(-len(held_out) // MAX_ROWS)]


def wrong_answers(drafts: Sequence[tuple[Reply, str]], limit: float) -> float:
    """Return the share of drafts that are wrong and not below a limit of confidence."""
    return sum(
        bool(reply.text) and reply.text != answer and reply.confidence >= limit
        for reply, answer in drafts
    ) / len(drafts)


def _largest(value: Callable[[str], float], bounds: dict[str, float], rank: int) -> float:
    """Return the value of a rank, from 0 for the largest; most of those below it are not computed.

    Args:
        value: of a question.
        bounds: what the value of each question cannot exceed.
        rank: below the number of questions.
    """
    values: list[float] = []
    for question in sorted(bounds, key=lambda question: -bounds[question]):
        if len(values) > rank and sorted(values)[-1 - rank] >= bounds[question]:
            break
        values.append(value(question))
    return sorted(values)[-1 - rank]


def _log(share: float) -> float:
    return math.log(max(share, 1e-4))
