"""Recipes: the platform's published rows, and the numbers of the libraries that they are named
after.
"""

import math
import random

import pytest

from qfnb import errors
from qfnb.metrics import recipes
from qfnb.metrics.recipes import score
from qianfan_sandbox.finetune import scores

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
SIMILARITY = ("bleu4", "rouge_1", "rouge_2", "rouge_l")
SEED_TEXT = (
    "周末去澄迈采摘杨桃，入园免费，带走按2.5元/斤，快来报名！\n\n今天 price is $3.50, 10-20 “高” — (A&B) 3,000…"
    "ｆｕｌｌ。\nHello, world. don't it's 5% 国家。 \n"
)


def pairs(count, seed=7):
    """Return pairs of texts that share much, and are up to 120 characters long."""
    rng = random.Random(seed)

    def text():
        start = rng.randrange(len(SEED_TEXT))
        size = rng.choice([0, 1, 2, 3, 5, 20, 60, 120])
        places = ((start + n) % len(SEED_TEXT) for n in range(size))
        return "".join(
            rng.choice(SEED_TEXT) if rng.random() < 0.3 else SEED_TEXT[index] for index in places
        )

    return [(text(), text()) for _ in range(count)]


def same(ours, theirs):
    return math.isnan(ours) or ours == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("answer", PUBLISHED)
def test_the_platforms_published_rows(answer):
    scores = [100 * score(name, answer, REFERENCE, "qianfan") for name in SIMILARITY]
    assert scores == pytest.approx(PUBLISHED[answer], abs=0.005)


def test_the_platforms_recipe_is_that_of_the_sandbox():
    for a, b in pairs(300):
        if a.strip() and b.strip():
            theirs = scores.similarity(a, b) | scores.accuracy(a, b)
            named = {**{name: name for name in SIMILARITY}, "accuracy": "accuracy", "f1": "f1Score"}
            assert all(
                same(score(name, a, b, "qianfan"), theirs[theirs_])
                for name, theirs_ in named.items()
            )


def test_rouge_of_llamafactory_is_rouge_chineses():
    rouge_chinese = pytest.importorskip("rouge_chinese")
    jieba = pytest.importorskip("jieba")
    for a, b in pairs(300):
        first = " ".join(jieba.cut(a))
        second = " ".join(jieba.cut(b))
        if first.split() and second.split():
            theirs = rouge_chinese.Rouge().get_scores(first, second)[0]
            for n in "12l":
                assert same(score(f"rouge_{n}", a, b, "llamafactory"), theirs[f"rouge-{n}"]["f"])


@pytest.mark.filterwarnings("ignore")
def test_bleu_of_llamafactory_is_nltks():
    bleu_score = pytest.importorskip("nltk.translate.bleu_score")
    smooth = bleu_score.SmoothingFunction().method3
    for a, b in pairs(300):
        if a and b:
            theirs = bleu_score.sentence_bleu([list(b)], list(a), smoothing_function=smooth)
            assert same(score("bleu4", a, b, "llamafactory"), theirs)


def test_bleu_and_chrf_of_sacrebleu():
    metrics = pytest.importorskip("sacrebleu.metrics")
    bleu = metrics.BLEU(tokenize="zh", effective_order=True)
    chrf = metrics.CHRF()
    for a, b in pairs(300):
        assert same(score("bleu4", a, b, "sacrebleu-zh"), bleu.sentence_score(a, [b]).score / 100)
        assert same(score("chrf", a, b, "sacrebleu-zh"), chrf.sentence_score(a, [b]).score / 100)


def test_rouge_by_counts_is_rouge_scores():
    scorer = pytest.importorskip("rouge_score.rouge_scorer")
    tokens = type(
        "Tokens", (), {"tokenize": lambda self, text: list(recipes.RECIPES["strict"].words(text))}
    )()
    theirs = scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], tokenizer=tokens)
    for a, b in pairs(200):
        expected = theirs.score(b, a)
        for n in ("1", "2", "L"):
            assert same(score(f"rouge_{n.lower()}", a, b), expected[f"rouge{n}"].fmeasure)


@pytest.mark.parametrize("recipe", recipes.RECIPES)
@pytest.mark.parametrize(
    "metric", ["rouge_1", "rouge_2", "rouge_l", "bleu4", "f1", "chrf", "accuracy"]
)
def test_the_same_text_is_right_and_an_empty_one_wrong_by_every_recipe(metric, recipe):
    assert score(metric, REFERENCE, REFERENCE, recipe) == pytest.approx(1)
    assert score(metric, "", REFERENCE, recipe) == 0
    assert math.isnan(score(metric, REFERENCE, "", recipe))


@pytest.mark.parametrize(
    ("metric", "recipe", "printed"),
    [
        ("rouge_1", "qianfan", "ROUGE-1 [qianfan: jieba words, n-gram sets]"),
        ("f1", "qianfan", "F1 [qianfan: jieba words]"),
        ("bleu4", "llamafactory", "BLEU-4 [llamafactory: characters]"),
        ("bleu4", "sacrebleu-zh", "BLEU-4 [sacrebleu-zh: tokenize=zh, effective order]"),
        ("chrf", "sacrebleu-zh", "chrF2 [sacrebleu-zh: the text as it is]"),
        ("chrf", "strict", "chrF2 [strict: NFKC characters]"),
        ("exact_match", "qianfan", "exact match [version 2]"),
        ("number", "strict", "number"),
    ],
)
def test_a_metric_is_printed_with_its_recipe(metric, recipe, printed):
    assert recipes.describe(metric, recipe) == printed


@pytest.mark.parametrize(("metric", "recipe"), [("rouge", "strict"), ("rouge_l", "console")])
def test_unknown_names_are_refused_with_the_known_ones(metric, recipe):
    with pytest.raises(errors.InvalidArgumentError, match=r"rouge_l|qianfan"):
        score(metric, "a", "b", recipe)
