"""GSM8K: word problems of the primary school, each with a solution that ends with `#### 42`.

The number of an answer is compared, in whatever notation (metric `number`): what follows `####`,
else the result that the answer states, else its last number. The authors compare the text that
follows `####`; an answer in other words, which is right all the same, is wrong there. Source: Cobbe
et al. 2021.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from ...base.language import tr
from ...base.text import format_value
from ...errors import DatasetError
from ...metrics.number import find_number
from .benchmark import Benchmark, Request, read_objects

TITLE: Final = "GSM8K"
EXPECTED: Final = '{"question": "...", "answer": "... #### 42"}'
INSTRUCTION: Final = (
    "Solve the problem step by step. Write the final number in the last line, after ####."
)
MARK: Final = "####"
_CALCULATION: Final = re.compile(r"<<[^<>]*>>")
"""A calculator's annotation, `<<6*7=42>>`: in the data for training, and no part of an answer."""


def load_gsm8k(request: Request) -> Benchmark:
    """Return the questions of a split, `test` by default, or those of a file."""
    request.refuse(TITLE, "subjects")
    folder = request.path
    split = ""
    if folder.is_dir():
        split = request.choose_split("test", "train")
        path = folder / f"{split}.jsonl"
    else:
        request.refuse(tr("a single file"), "split")
        path = folder
        folder = folder.parent
    shots = request.shots or 0
    history = [
        {"prompt": row["prompt"], "response": row["solution"]}
        for row in islice(_read(folder, shots), shots)
    ]
    if len(history) < shots:
        raise DatasetError(
            tr("{n} examples for shots={shots}", n=len(history), shots=shots),
            path=str(folder / "train.jsonl"),
        )
    rows = [row | ({"history": history} if history else {}) for row in _rows(path)]
    return Benchmark(TITLE, rows, ("number",), split, shots)


def _read(folder: Path, shots: int) -> Iterator[dict[str, Any]]:
    """Yield the examples; nothing is read for none."""
    path = folder / "train.jsonl"
    if shots and not path.is_file():
        raise DatasetError(
            tr("the examples of shots={shots} are missing: shots=0 asks without", shots=shots),
            path=str(path),
        )
    if shots:
        return _rows(path)
    return iter(())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for line, value in read_objects(path, {"question": str, "answer": str}, EXPECTED):
        solution, mark, number = _CALCULATION.sub("", value["answer"]).rpartition(MARK)
        if not mark or find_number(number) is None:
            raise DatasetError(
                tr(
                    "'answer' has no number after {mark}: {value}; expected {expected}",
                    mark=MARK,
                    value=format_value(value["answer"]),
                    expected=EXPECTED,
                ),
                path=str(path),
                line=line,
            )
        reference = number.strip()
        text = f"{solution.strip()}\n{MARK} {reference}"
        yield {
            "prompt": f"{value['question'].strip()}\n\n{INSTRUCTION}",
            "response": reference,
            "solution": text,
        }
