"""Tab completion in the first line of our magics: options, models, sessions, services of the notebook."""

from __future__ import annotations

import re
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from ..wire import catalog
from . import aliases, answer_format
from .parser import Parser, user_variables

IDENTIFIER = "qfnb"


def register(shell: Any) -> None:
    """Add ours to the shell's matchers; where it has something, Python's own names are not offered."""
    unregister(shell)

    @context_matcher(identifier=IDENTIFIER)  # type: ignore[untyped-decorator]
    def matcher(context: CompletionContext) -> Any:
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        is_own_magic = re.match(r"\s*%{1,2}(qfbatch|qfchat|qfeval|qfimage|qftrain)\s", line)
        matches = complete_columns(shell, lines[0], line) or (
            complete_line(shell, line) if is_own_magic else []
        )
        word = "" if line.endswith(" ") else line.split()[-1] if line.split() else ""
        completions = [SimpleCompletion(text=text, type="qfnb") for text in matches]
        return {"completions": completions, "suppress": bool(matches), "matched_fragment": word}

    shell.Completer.custom_matchers.append(matcher)


def unregister(shell: Any) -> None:
    """Take it away again."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [
        matcher for matcher in matchers if getattr(matcher, "matcher_identifier", "") != IDENTIFIER
    ]


def complete_line(shell: Any, line: str) -> list[str]:
    """Return what may stand at the end of a line."""
    magic = re.match(r"\s*%{1,2}(\w+)", line)
    last_words = line.split()[-2:] if not line.endswith(" ") else [*line.split()[-1:], ""]
    word, option = last_words[-1], last_words[0] if len(last_words) > 1 else ""
    if word.startswith("-"):
        return [flag for flag in _option_flags(magic.group(1) if magic else "") if flag.startswith(word)]
    values = _option_values(shell, option, magic.group(1) if magic else "")
    head, comma, last_part = word.rpartition(",")
    return [f"{head}{comma}{value}" for value in values if value.lower().startswith(last_part.lower())]


def complete_columns(shell: Any, first: str, line: str) -> list[str]:
    """Return the columns that a brace at the end of a batch's prompt may name."""
    magic, brace = re.match(r"\s*%{1,2}qfbatch\s+(.*)", first), re.search(r"(\S*\{)([^{}\s]*)$", line)
    if magic is None or brace is None:
        return []
    values: list[Any] = [user_variables(shell).get(word) for word in magic.group(1).split()]
    names = [str(name) for value in values if hasattr(value, "columns") for name in value.columns]
    return [f"{brace.group(1)}{name}}}" for name in names if name.startswith(brace.group(2))]


def _option_flags(magic: str) -> list[str]:
    parser = _find_parser(magic)
    if parser is None:
        return []
    visible_actions = [action for action in parser._actions if action.help != "==SUPPRESS=="]  # noqa: SLF001
    return [flag for action in visible_actions for flag in action.option_strings if flag.startswith("--")]


def _option_values(shell: Any, option: str, magic: str) -> list[str]:
    if magic == "qfeval" and option not in {"-m", "--model", "-e", "--endpoint"}:
        return _evaluation_values(shell, option)
    if option in {"-m", "--model"}:
        return [*aliases.load(), *catalog.model_names("text2image" if magic == "qfimage" else "chat")]
    if option == "--session" or option in {"history", "undo", "fork", "export", "forget"}:
        return list(shell.magics_manager.registry["ChatMagics"].sessions)
    if option in {"-f", "--format"}:
        return [*answer_format.FORMAT_NAMES, "pydantic:"]
    if option in {"-e", "--endpoint"}:
        return [
            key
            for key, value in user_variables(shell).items()
            if isinstance(getattr(value, "endpoint", None), str)
        ]
    if magic == "qfbatch":
        return _batch_values(shell, option)
    if option.endswith("qftrain"):
        from .train import VERBS  # noqa: PLC0415 - the magics are registered by then

        return list(VERBS)
    return []


def _batch_values(shell: Any, option: str) -> list[str]:
    """Return what may stand behind `%qfbatch` or one of its verbs."""
    from .. import batches  # noqa: PLC0415
    from .batch import VERBS  # noqa: PLC0415 - the magics are registered by then

    kinds = {"Batch", "BatchTask"} if option in VERBS[1:] else {"DataFrame", "Series", "Dataset", "list"}
    names = [key for key, value in user_variables(shell).items() if type(value).__name__ in kinds]
    public_names = [key for key in names if not key.startswith("_") and key not in {"In", "Out"}]
    if option.endswith("qfbatch"):
        return [*VERBS, *public_names]
    if option == "start":
        return public_names
    return [*public_names, *batches()["name"]] if option in VERBS else []


def _evaluation_values(shell: Any, option: str) -> list[str]:
    """Return what may stand behind `%qfeval`, one of its verbs, or one of its options."""
    from ..evaluation.evaluator import LocalEvaluator  # noqa: PLC0415
    from ..evaluation.evaluators import METRIC_NAMES  # noqa: PLC0415
    from ..metrics.recipes import RECIPES  # noqa: PLC0415
    from .evaluate_parser import VERBS  # noqa: PLC0415

    models = [*_variables_of_kind(shell, MODEL_KINDS), *aliases.load(), *catalog.model_names("chat")]
    values_by_option = {
        "--metrics": [*METRIC_NAMES, *_variables_of_kind(shell, LocalEvaluator)],
        "--recipe": [*RECIPES],
        "--judge": models,
        "--data": _variables_of_kind(shell, DATA_KINDS),
        "-d": _variables_of_kind(shell, DATA_KINDS),
        "only": _variables_of_kind(shell, DATA_KINDS),
        **dict.fromkeys(
            ("show", "wait", "cancel", "browse", "rescore", "compare", "save"),
            _variables_of_kind(shell, REPORT_KINDS),
        ),
    }
    if option.endswith("qfeval"):
        return [*VERBS, *models]
    return values_by_option.get(option, [] if option.startswith("-") or option == "load" else models)


MODEL_KINDS = frozenset({"Service", "Model", "ChatCompletion", "LLMFinetune"})
DATA_KINDS = frozenset({"DataFrame", "Dataset", "list"})
REPORT_KINDS = frozenset({"EvaluationResult", "BackgroundEvaluation", "Card"})


def _variables_of_kind(shell: Any, kinds: frozenset[str] | type) -> list[str]:
    """Return the notebook's variables whose values are of a class, or of a class with one of these names."""

    def is_kind(value: object) -> bool:
        return isinstance(value, kinds) if isinstance(kinds, type) else type(value).__name__ in kinds

    names = [key for key, value in list(user_variables(shell).items()) if is_kind(value)]
    return [key for key in names if not key.startswith("_") and key not in {"In", "Out"}]


def _find_parser(magic: str) -> Parser | None:
    from . import batch, chat, evaluate_parser, image, train  # noqa: PLC0415

    parsers: dict[str, Parser] = {"qfbatch": batch.PARSER, "qfchat": chat.PARSER, "qfimage": image.PARSER}
    parsers["qfeval"] = evaluate_parser.PARSER
    return {**parsers, "qftrain": train.PARSER}.get(magic)
