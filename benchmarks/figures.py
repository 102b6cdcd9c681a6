"""Print the figures of the quickstart, store them in `figures.json`, and write them into
README and guide.

`make figures` runs it. A page has a figure between `<!-- figure: NAME -->` and `<!-- /figure -->`;
`tests/test_readme.py` compares the pages with the file.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = ROOT / "notebooks/data"
STORE = Path(__file__).with_name("figures.json")
MARKER = re.compile(r"(<!-- figure: ([\w.]+) -->)(.*?)(<!-- /figure -->)", re.DOTALL)


def pages() -> list[Path]:
    """Return the Markdown files that may show figures."""
    return [ROOT / "README.md", ROOT / "README.zh.md", *sorted((ROOT / "docs").rglob("*.md"))]


def quickstart() -> dict[str, str]:
    """Return what the quickstart prints: it tunes a model and asks both 144 held-out questions."""
    from qfnb import Dataset, DeployConfig, EvaluationManager, LLMFinetune, Service, TrainConfig
    from qfnb.evaluation import ExactMatchEvaluator, RougeLEvaluator

    train, heldout = (
        Dataset.load(str(DATA / f"teahouse_{part}.jsonl")) for part in ("train", "heldout")
    )
    trainer = LLMFinetune(
        train_type="ERNIE-4.5-Turbo-128K",
        dataset=train,
        train_config=TrainConfig(epoch=5, learning_rate=3e-4),
        deploy_config=DeployConfig(name="tuned", endpoint_suffix="teahouse"),
    )
    trainer.run()
    evaluation = EvaluationManager(local_evaluators=[ExactMatchEvaluator(), RougeLEvaluator()])
    base = Service(model="ernie-4.5-turbo-128k", name="base")
    return report_figures(evaluation.eval([base, trainer.output["service"]], heldout))


def report_figures(report: Any) -> dict[str, str]:
    """Return the figures of a report on the quickstart's two models."""
    figures = {}
    for score in report.model_scores:
        name = f"quickstart.{score.model}.{score.metric}"
        figures[name] = f"{score.mean:.3f}"
        figures[f"{name}.interval"] = f"{score.interval.low:.3f} – {score.interval.high:.3f}"
    test = report.comparisons[0].test
    figures["quickstart.difference"] = (
        f"{test.difference:+.3f} [{test.interval.low:.3f}, {test.interval.high:.3f}]"
    )
    samples = report.samples_of("tuned").values()
    wrong = [sample for sample in samples if sample.score("exact_match") < 1]
    refused = [sample for sample in wrong if "沙盒" in sample.output]
    figures["quickstart.refused"] = str(len(refused))
    figures["quickstart.wrong"] = str(len(wrong) - len(refused))
    return figures


def nearest_neighbour() -> dict[str, str]:
    """Return how often the answer of the nearest training question (TF-IDF of 1 to 3 characters) is
    right.
    """
    import numpy as np

    from qfnb.metrics.exact_json import exact_match

    train, heldout = ([json.loads(line) for line in _lines(part)] for part in ("train", "heldout"))
    grams = [_grams(row["prompt"]) for row in train]
    counts: dict[str, int] = {}
    for row in grams:
        for gram in row:
            counts[gram] = counts.get(gram, 0) + 1
    weights = {gram: np.log((1 + len(train)) / (1 + count)) + 1 for gram, count in counts.items()}
    norms = [_norm(row, weights) for row in grams]
    right = 0.0
    for row in heldout:
        asked = _grams(row["prompt"])
        alike = [
            _dot(asked, other, weights) / norm for other, norm in zip(grams, norms, strict=True)
        ]
        right += exact_match(train[int(np.argmax(alike))]["response"], row["response"])
    return {"quickstart.nearest": f"{right / len(heldout):.3f}"}


def copied_values() -> dict[str, str]:
    """Return the right, refused and wrong answers of 100 bookings and parcels with names that were
    not trained on.
    """
    from learning import PASSES
    from refusal_data import data_sets

    from qianfan_sandbox.engines.builtin.training import Hyperparameters, train

    figures = {}
    folds = data_sets()
    for name, key in (
        ("flights (Chinese), new names", "flights"),
        ("parcels (English), new names", "parcels"),
    ):
        fold = folds[name][0]
        training = [pair for index, pair in enumerate(fold.training) if index % 5]
        model = train(
            training, hyperparameters=Hyperparameters(epochs=PASSES), validation=fold.training[::5]
        )
        answered = [(model.reply(prompt), answer) for prompt, answer in fold.held_out]
        refused = sum(reply.kind == "unknown" for reply, _ in answered)
        right = sum(reply.text == answer for reply, answer in answered)
        figures |= {
            f"{key}.right": str(right),
            f"{key}.refused": str(refused),
            f"{key}.wrong": str(len(answered) - refused - right),
        }
    return figures


def _lines(part: str) -> list[str]:
    return (DATA / f"teahouse_{part}.jsonl").read_text(encoding="utf-8").splitlines()


def _grams(text: str) -> dict[str, int]:
    grams: dict[str, int] = {}
    for size in (1, 2, 3):
        for start in range(len(text) - size + 1):
            gram = text[start : start + size]
            grams[gram] = grams.get(gram, 0) + 1
    return grams


def _norm(grams: dict[str, int], weights: dict[str, float]) -> float:
    return sum((count * weights[gram]) ** 2 for gram, count in grams.items()) ** 0.5


def _dot(first: dict[str, int], second: dict[str, int], weights: dict[str, float]) -> float:
    return sum(
        count * second[gram] * weights[gram] ** 2 for gram, count in first.items() if gram in second
    )


def write_pages(figures: dict[str, str]) -> None:
    """Write the figures into the pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        written = MARKER.sub(lambda match: f"{match[1]}{figures[match[2]]}{match[4]}", text)
        if written != text:
            page.write_text(written, encoding="utf-8")


def main() -> None:
    """Measure, store, print and write."""
    for name in [name for name in os.environ if name.startswith("QIANFAN_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="qfnb-figures-") as state:
        os.environ |= {"QFNB_STATE_DIR": state, "QFNB_DISPLAY": "text"}
        from qfnb.sandbox import stop

        try:
            figures = nearest_neighbour() | copied_values() | quickstart()
        finally:
            stop()
    figures["date"] = time.strftime("%Y-%m-%d")
    STORE.write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(*(f"{name:40}{value}" for name, value in figures.items()), sep="\n")
    write_pages(figures)


if __name__ == "__main__":
    main()
