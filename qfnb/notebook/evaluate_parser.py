"""The verbs of `%qfeval`, its options, and which of them belong together."""

from __future__ import annotations

import argparse

from . import await_cell
from .parser import WordsParser, variable_name

VERBS = (
    "start", "wait", "show", "cancel", "only", "browse", "rescore", "compare", "save", "load",
)  # fmt: skip

PARSER = WordsParser(
    "%qfeval",
    "Ask models the same questions and score the answers, without blocking the notebook.\n"
    "A MODEL is a variable (Service, Model, ChatCompletion, trainer), a preset model or an endpoint; "
    "the first is the baseline.\n"
    "A REPORT is the variable of -o, or the newest when none is named.\n"
    f"Verbs: {', '.join(VERBS)}. A variable with a verb's name: %qfeval start wait ...",
    "  %qfeval base tuned --data heldout --metrics rouge_l,exact_match -o report\n"
    "  %qfeval wait             (wait for the newest, show its report)\n"
    "  %qfeval ERNIE-Speed-8K tuned --data heldout.jsonl --judge ERNIE-4.0-8K --budget 5 -o report\n"
    "  %qfeval base tuned --data heldout --dry-run\n"
    "  %qfeval show|cancel [REPORT]\n"
    "  %qfeval browse [REPORT] -o view        (then: report.to_dpo(view.rows))\n"
    "  %qfeval rescore REPORT --metrics bleu4 --recipe qianfan -o other      (nobody is asked)\n"
    "  %qfeval only df --outputs answer_a,answer_b --reference label -o report\n"
    "  %qfeval compare [REPORT [BASE TUNED]]\n"
    "  %qfeval save REPORT report.html|.md|.csv|.xlsx|.json\n"
    "  %qfeval load report.json -o report",
)
PARSER.add_argument(
    "-d", "--data", metavar="DATA", help="rows with prompt and response: a variable, a path or ds-..."
)
PARSER.add_argument(
    "--metrics", metavar="NAMES", help="a,b,...: the first decides; default rouge_l,exact_match"
)
PARSER.add_argument("--recipe", metavar="NAME", help="strict (default), qianfan, llamafactory, sacrebleu-zh")
PARSER.add_argument("--judge", metavar="MODELS", help="models that give points, a,b,...")
PARSER.add_argument("-m", "--model", action="append", metavar="NAME", help="one more model, of any name")
PARSER.add_argument("-e", "--endpoint", action="append", metavar="NAME", help="one more model: a service")
PARSER.add_argument("--input", metavar="COLUMN", help="the question; default prompt")
PARSER.add_argument("--reference", metavar="COLUMN", help="the expected answer; default response")
PARSER.add_argument("--outputs", metavar="COLUMNS", help="only: columns with answers; default llm_output")
PARSER.add_argument("--cluster", metavar="COLUMN", help="rows of one value belong together")
PARSER.add_argument("--system", metavar="TEXT", help="the models' persona")
PARSER.add_argument("-t", "--temperature", type=float, metavar="X", help="in (0, 1]")
PARSER.add_argument("--max-tokens", type=int, metavar="N", help="the longest answer")
PARSER.add_argument("-w", "--workers", type=int, metavar="N", help="rows asked at once of each; default 8")
PARSER.add_argument("--budget", type=float, metavar="CNY", help="that each model may cost")
PARSER.add_argument("--keep-wrong-rows", action="store_true", help="rows with nothing in them just fail")
PARSER.add_argument("--dry-run", action="store_true", help="say what it would take; nothing is sent")
PARSER.add_argument(
    "-o", dest="variable", type=variable_name, metavar="VAR", help="keep the report in a variable"
)
PARSER.add_argument(await_cell.AWAIT_OPTION, dest="awaited", action="store_true", help=argparse.SUPPRESS)

SCORING_OPTIONS = {"metrics", "recipe", "judge", "variable"}
VERB_OPTIONS = {
    "start": set(vars(PARSER.parse_args([]))) - {"outputs"},
    "only": SCORING_OPTIONS | {"data", "input", "reference", "outputs", "cluster"},
    "rescore": SCORING_OPTIONS,
    "browse": {"variable"},
    "load": {"variable"},
    "compare": {"variable"},
}
"""The options that a verb knows; the others know none."""

MAX_WORDS = {
    "wait": 1,
    "show": 1,
    "cancel": 1,
    "only": 1,
    "browse": 1,
    "rescore": 1,
    "compare": 3,
    "save": 2,
    "load": 1,
}
"""The words that a verb takes at most."""
