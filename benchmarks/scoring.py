"""Measure scoring beside rouge-score, sacrebleu and nltk: pairs of 100 Chinese characters, in one
run.

Absolute times belong to the machine; what is worth keeping is the ratio. Every round has pairs that
were never seen, so that nothing is remembered; the best round counts. rouge-score gets a tokenizer
for Chinese: as it comes it finds no words there. A peer that is not installed is left out.
"""

from __future__ import annotations

import importlib
import itertools
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType

from qfnb.metrics.recipes import score

CHARACTERS = 100
PAIRS = 200
ROUNDS = 5
ROUGE = ("rouge_1", "rouge_2", "rouge_l")
MIN_ROUGE_RATIO = 20.0
"""How many times as fast as rouge-score ROUGE must be."""

Score = Callable[[str, str], object]


def texts() -> Iterator[tuple[str, str]]:
    """Yield pairs of texts that share about two thirds of their characters, never the same
    twice.
    """
    rng = random.Random(20240601)
    common = [chr(0x4E00 + offset) for offset in range(800)] + list("，。" * 20)
    while True:
        reference = rng.choices(common, k=CHARACTERS)
        output = [
            rng.choice(common) if rng.random() < 0.33 else character for character in reference
        ]
        yield "".join(output), "".join(reference)


def microseconds(score_of: Score, source: Iterator[tuple[str, str]], pairs: int = PAIRS) -> float:
    """Return the CPU time that one pair takes, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        rows = list(itertools.islice(source, pairs))
        start = time.process_time()
        for output, reference in rows:
            score_of(output, reference)
        best = min(best, (time.process_time() - start) / pairs * 1e6)
    return best


def import_peer(name: str) -> ModuleType | None:
    """Return a peer, None when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Characters:
    """A tokenizer for rouge-score."""

    def tokenize(self, text: str) -> list[str]:
        """Return the characters."""
        return list(text)


def measurements() -> Iterator[tuple[str, Score, str, Score | None]]:
    """Yield what is measured: its name, ours, the peer's name, and the peer's."""
    rouge, nltk, sacre = (
        import_peer(name)
        for name in ("rouge_score.rouge_scorer", "nltk.translate.bleu_score", "sacrebleu.metrics")
    )
    rouge_scorer = rouge and rouge.RougeScorer(
        ["rouge1", "rouge2", "rougeL"], tokenizer=Characters()
    )
    yield (
        "ROUGE-1/2/L [strict]",
        lambda a, b: [score(name, a, b) for name in ROUGE],
        "rouge-score",
        rouge_scorer and (lambda a, b: rouge_scorer.score(b, a)),
    )
    smooth = nltk and nltk.SmoothingFunction().method3
    yield (
        "BLEU-4 [llamafactory]",
        lambda a, b: score("bleu4", a, b, "llamafactory"),
        "nltk",
        nltk and (lambda a, b: nltk.sentence_bleu([list(b)], list(a), smoothing_function=smooth)),
    )
    bleu = sacre and sacre.BLEU(tokenize="zh", effective_order=True)
    yield (
        "BLEU-4 [sacrebleu-zh]",
        lambda a, b: score("bleu4", a, b, "sacrebleu-zh"),
        "sacrebleu",
        bleu and (lambda a, b: bleu.sentence_score(a, [b])),
    )
    chrf = sacre and sacre.CHRF()
    yield (
        "chrF2",
        lambda a, b: score("chrf", a, b),
        "sacrebleu",
        chrf and (lambda a, b: chrf.sentence_score(a, [b])),
    )
    if import_peer("jieba"):
        yield (
            "ROUGE-1/2/L [qianfan]",
            lambda a, b: [score(name, a, b, "qianfan") for name in ROUGE],
            "",
            None,
        )


def main() -> None:
    """Print one line per metric: microseconds per pair, and how many times as long the peer
    takes.
    """
    warnings.simplefilter("ignore")
    source = texts()
    ratios = {}
    print(f"{'of one pair':28}{'qfnb, µs':>10}")
    for metric, ours, peer, peer_score in measurements():
        own_us = microseconds(ours, source)
        ratios[metric] = microseconds(peer_score, source) / own_us if peer_score else None
        peer_text = (
            f"{ratios[metric]:>8.1f}x {peer}"
            if peer_score
            else (f"{'':>9}{peer} not installed" if peer else "")
        )
        print(f"{metric:28}{own_us:>10.1f}{peer_text}")
    rouge = ratios["ROUGE-1/2/L [strict]"]
    if rouge is not None and rouge < MIN_ROUGE_RATIO:
        sys.exit(f"ROUGE is {rouge:.1f} times as fast as rouge-score, not {MIN_ROUGE_RATIO:g}")


if __name__ == "__main__":
    main()
