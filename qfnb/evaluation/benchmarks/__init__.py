"""Benchmarks people know, read from disk and scored by their rules: `load("ceval", "ceval-exam/",
split="val")`.

| name | files | metric | reported |
|---|---|---|---|
| `ceval` | `dev/`, `val/`, `test/`, each with a `SUBJECT_val.csv` and so on | `choice` | mean of the subjects' means |
| `cmmlu` | `dev/` and `test/`, each with a `SUBJECT.csv` for each subject | `choice` | mean of the subjects' means |
| `gsm8k` | `train.jsonl` and `test.jsonl`, or one such file | `number` | mean |

Nothing is downloaded. Sources: Huang et al. 2023 (arXiv 2305.08322), Li et al. 2023 (arXiv
2306.09212), Cobbe et al. 2021 (arXiv 2110.14168).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ...base.language import tr
from ...base.text import did_you_mean, format_value
from ...errors import InvalidArgumentError
from .benchmark import Benchmark as Benchmark, Request, load_ceval, load_cmmlu, load_gsm8k

LOADERS: Final[Mapping[str, Callable[[Request], Benchmark]]] = {
    "ceval": load_ceval,
    "cmmlu": load_cmmlu,
    "gsm8k": load_gsm8k,
}
"""What reads each benchmark, by its name."""


def load(
    name: str,
    path: str | Path,
    *,
    subjects: Sequence[str] | None = None,
    split: str | None = None,
    shots: int | None = None,
) -> Benchmark:
    """Read a benchmark from disk: questions that `compare`, `EvaluationManager` and `%qfeval` take,
    with its metrics.

    Args:
        name: `ceval`, `cmmlu` or `gsm8k`.
        path: its folder; of `gsm8k` a file, too.
        subjects: of C-Eval and CMMLU, as in the names of the files; default all that are there.
        split: `val` (default) or `test` of C-Eval, `test` (default) or `dev` of CMMLU, `test`
            (default) or `train` of GSM8K.
        shots: examples before each question, from the split `dev` (of GSM8K from `train`); default
            5 for C-Eval and CMMLU, 0 for others.

    Raises:
        InvalidArgumentError: the benchmark, a subject, the split or the number of shots is unknown.
        DatasetError: a file is missing, not readable or not of this shape; names file, line and
            column.
    """
    loader = LOADERS.get(str(name).strip().lower().replace("-", ""))
    if loader is None:
        raise InvalidArgumentError(
            tr(
                "benchmark {name} is unknown{hint}: it is one of {names}",
                name=format_value(name),
                hint=did_you_mean(str(name), LOADERS),
                names=tr(", ").join(LOADERS),
            )
        )
    if shots is not None and (not isinstance(shots, int) or isinstance(shots, bool) or shots < 0):
        raise InvalidArgumentError(
            tr("shots={value}: examples before each question, 0 or more", value=repr(shots))
        )
    if subjects is not None and (isinstance(subjects, str) or not subjects):
        raise InvalidArgumentError(
            tr(
                "subjects={value}: a list of names, or None for all of them",
                value=format_value(subjects),
            )
        )
    folder = Path(path).expanduser()
    if not folder.exists():
        raise InvalidArgumentError(tr("{path} does not exist", path=folder))
    return loader(Request(folder, subjects, split, shots))
