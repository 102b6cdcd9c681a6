import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHINESE = re.compile(r"[\u3001-\u303f\u3400-\u9fff\uff01-\uff65]")

DATA = {
    "__init__.py": "the product's name",
    "dataset/file_reader.py": "names of columns",
    "dataset/quality.py": "words of questions that are compared",
    "evaluation/benchmarks.py": "prompts to models, with names of subjects",
    "evaluation/local_evaluators.py": "words of models' refusals",
    "evaluation/evaluator.py": "prompts to judges; the platform's names of a template and of a "
    "dimension",
    "evaluation/judge_replies.py": "words of judges' answers",
    "evaluation/judges.py": "prompts to judges",
    "evaluation/platform.py": "the platform's names of columns",
    "metrics/choice.py": "words of models' answers",
    "metrics/exact_json.py": "a mark at the end of answers",
    "metrics/number.py": "words of models' answers",
    "metrics/units.py": "characters that are words and marks",
    "model/model.py": "the platform's name of a dimension",
    "notebook/evaluate_inputs.py": "an answer that is scored to try an evaluator",
    "notebook/auth.py": "a yes in Chinese",
    "resources/inference/chat.py": "a text that stands for a Chinese one",
    "resources/inference/response_format.py": "prompts to models",
    "resources/inference/tools.py": "a yes in Chinese",
    "qianfan_sandbox/chat/chat.py": "words of questions, and what the sandbox's model says",
    "qianfan_sandbox/chat/structured.py": "words of questions",
    "qianfan_sandbox/documents.py": "prompts and a row that the sandbox writes",
    "qianfan_sandbox/engines/builtin/engine.py": "the data that the sandbox's model learns",
    "qianfan_sandbox/engines/builtin/features.py": "characters that say little",
    "qianfan_sandbox/engines/builtin/model.py": "what the sandbox's model says",
    "qianfan_sandbox/engines/drawing.py": "words of questions",
    "qianfan_sandbox/evaluation.py": "the platform's names of columns",
    "qianfan_sandbox/finetune/worker.py": "marks that end a sentence",
    "views/training/summary.py": "a mark that ends a sentence",
    "wire/evaluation.py": "the platform's name of a dimension",
}
"""Modules that may have Chinese -> why; what a user reads is English there too, and Chinese in the
catalogue.
"""

SOURCES = {
    path.relative_to(ROOT).as_posix().removeprefix("qfnb/"): path.read_text(encoding="utf-8")
    for package in ("qfnb", "qianfan_sandbox")
    for path in (ROOT / package).rglob("*.py")
}


def test_chinese_in_the_code_is_data():
    lines = {
        f"{name}:{number}: {line.strip()}"
        for name, source in SOURCES.items()
        for number, line in enumerate(source.splitlines(), 1)
        if name not in DATA and CHINESE.search(line)
    }
    assert not lines, (
        "what a user reads is English in the code: tr(...); its Chinese is in qfnb/locale"
    )


@pytest.mark.parametrize("name", DATA)
def test_a_module_is_listed_only_as_long_as_it_has_chinese(name):
    assert CHINESE.search(SOURCES[name])


GLUED = re.compile(
    r"[\u4e00-\u9fff] / [a-z]|[a-z.] / [\u4e00-\u9fff]|[a-z]{3,} "
    r"\([\u4e00-\u9fff]|[\u4e00-\u9fff] [a-z]{4,}:"
)


def test_no_line_is_said_in_two_languages():
    lines = (
        line.strip()
        for name, source in SOURCES.items()
        if name != "__init__.py"
        for line in source.splitlines()
    )
    glued = [line for line in lines if GLUED.search(line)]
    assert all("Answer with" in line for line in glued), glued  # prompts: a model reads both
