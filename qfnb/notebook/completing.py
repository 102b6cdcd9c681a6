"""Tab completion in the first line of our magics: options, models, sessions, services of the notebook."""

from __future__ import annotations

import re
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ..resources.models import known_model_names
from . import aliases, formats
from .arguments import Parser, variables

IDENTIFIER = "qfnb"


def register(shell: Any) -> None:
    """Add ours to the shell's matchers; where it has something, Python's own names are not offered."""
    unregister(shell)

    @context_matcher(identifier=IDENTIFIER)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> Any:
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        ours = re.match(r"\s*%{1,2}(qfbatch|qfchat|qfeval|qfimage|qftrain)\s", line)
        found = columns(shell, lines[0], line) or (candidates(shell, line) if ours else [])
        word = "" if line.endswith(" ") else line.split()[-1] if line.split() else ""
        completions = [SimpleCompletion(text=text, type="qfnb") for text in found]
        return {"completions": completions, "suppress": bool(found), "matched_fragment": word}

    shell.Completer.custom_matchers.append(matcher)


def unregister(shell: Any) -> None:
    """Take it away again."""
    known = shell.Completer.custom_matchers
    known[:] = [matcher for matcher in known if getattr(matcher, "matcher_identifier", "") != IDENTIFIER]


def candidates(shell: Any, line: str) -> list[str]:
    """Return what may stand at the end of a line."""
    magic = re.match(r"\s*%{1,2}(\w+)", line)
    before = line.split()[-2:] if not line.endswith(" ") else [*line.split()[-1:], ""]
    word, option = before[-1], before[0] if len(before) > 1 else ""
    if word.startswith("-"):
        return [flag for flag in _flags(magic.group(1) if magic else "") if flag.startswith(word)]
    found = _values(shell, option, magic.group(1) if magic else "")
    head, comma, last = word.rpartition(",")
    return [f"{head}{comma}{value}" for value in found if value.lower().startswith(last.lower())]


def columns(shell: Any, first: str, line: str) -> list[str]:
    """Return the columns that a brace at the end of a batch's prompt may name."""
    magic, brace = re.match(r"\s*%{1,2}qfbatch\s+(.*)", first), re.search(r"(\S*\{)([^{}\s]*)$", line)
    if magic is None or brace is None:
        return []
    values: list[Any] = [variables(shell).get(word) for word in magic.group(1).split()]
    names = [str(name) for value in values if hasattr(value, "columns") for name in value.columns]
    return [f"{brace.group(1)}{name}}}" for name in names if name.startswith(brace.group(2))]


def _flags(magic: str) -> list[str]:
    parser = _parser(magic)
    if parser is None:
        return []
    shown = [action for action in parser._actions if action.help != "==SUPPRESS=="]  # noqa: SLF001
    return [flag for action in shown for flag in action.option_strings if flag.startswith("--")]


def _values(shell: Any, option: str, magic: str) -> list[str]:
    if magic == "qfeval" and option not in {"-m", "--model", "-e", "--endpoint"}:
        return _evaluations(shell, option)
    if option in {"-m", "--model"}:
        return [*aliases.known(), *known_model_names("text2image" if magic == "qfimage" else "chat")]
    if option == "--session" or option in {"history", "undo", "fork", "export", "forget"}:
        return list(shell.magics_manager.registry["ChatMagics"].sessions)
    if option in {"-f", "--format"}:
        return [*formats.NAMES, "pydantic:"]
    if option in {"-e", "--endpoint"}:
        return [
            key
            for key, value in variables(shell).items()
            if isinstance(getattr(value, "endpoint", None), str)
        ]
    if magic == "qfbatch":
        return _batches(shell, option)
    if option.endswith("qftrain"):
        from .train import VERBS  # noqa: PLC0415 - the magics are registered by then

        return list(VERBS)
    return []


def _batches(shell: Any, option: str) -> list[str]:
    """Return what may stand behind `%qfbatch` or one of its verbs."""
    from .. import batches  # noqa: PLC0415
    from .batch import VERBS  # noqa: PLC0415 - the magics are registered by then

    kinds = {"Batch", "BatchTask"} if option in VERBS[1:] else {"DataFrame", "Series", "Dataset", "list"}
    known = [key for key, value in variables(shell).items() if type(value).__name__ in kinds]
    own = [key for key in known if not key.startswith("_") and key not in {"In", "Out"}]
    if option.endswith("qfbatch"):
        return [*VERBS, *own]
    if option == "start":
        return own
    return [*own, *batches()["name"]] if option in VERBS else []


def _evaluations(shell: Any, option: str) -> list[str]:
    """Return what may stand behind `%qfeval`, one of its verbs, or one of its options."""
    from ..evaluation import recipes  # noqa: PLC0415
    from ..evaluation.local import OTHER_EVALUATORS  # noqa: PLC0415
    from .evaluate_options import VERBS  # noqa: PLC0415

    models = [*_own(shell, ASKED), *aliases.known(), *known_model_names("chat")]
    behind = {
        "--metrics": [*recipes.METRICS, *OTHER_EVALUATORS, *_own(shell, MEASURING)],
        "--recipe": [*recipes.RECIPES],
        "--judge": models,
        "--data": _own(shell, ROWS),
        "-d": _own(shell, ROWS),
        "only": _own(shell, ROWS),
        **dict.fromkeys(
            ("show", "wait", "cancel", "browse", "rescore", "compare", "save"), _own(shell, REPORTS)
        ),
    }
    if option.endswith("qfeval"):
        return [*VERBS, *models]
    return behind.get(option, [] if option.startswith("-") or option == "load" else models)


ASKED = frozenset({"Service", "Model", "ChatCompletion", "LLMFinetune"})
ROWS = frozenset({"DataFrame", "Dataset", "list"})
REPORTS = frozenset({"EvaluationResult", "Running", "Card"})
MEASURING = frozenset(
    {"MetricEvaluator", "RegexEvaluator", "LocalJudgeEvaluator", "JudgePanel", "ChoiceEvaluator"}
)


def _own(shell: Any, kinds: frozenset[str]) -> list[str]:
    """Return the notebook's variables that hold such values."""
    found = [key for key, value in list(variables(shell).items()) if type(value).__name__ in kinds]
    return [key for key in found if not key.startswith("_") and key not in {"In", "Out"}]


def _parser(magic: str) -> Parser | None:
    from . import batch, chat, evaluate_options, image, train  # noqa: PLC0415

    parsers: dict[str, Parser] = {"qfbatch": batch.PARSER, "qfchat": chat.PARSER, "qfimage": image.PARSER}
    parsers["qfeval"] = evaluate_options.PARSER
    return {**parsers, "qftrain": train.PARSER}.get(magic)
