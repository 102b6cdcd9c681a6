"""The verbs of `%qfeval`, its options, and which of them belong together."""

from argparse import ArgumentTypeError
from typing import Any

from ..base.language import tr, tr_noop
from . import tab_completion
from .parser import variable_name
from .verb_magic import VerbParser

VERBS = (
    "start", "wait", "show", "cancel", "only", "browse", "rescore", "compare", "save", "load",
    "list", "open", "diff", "trend",
)  # fmt: skip

SCORING_VERBS = ("start", "only", "rescore")  # the verbs that score answers
MODEL_KINDS = frozenset({"Service", "Model", "ChatCompletion", "LLMFinetune"})
PROMPT_KINDS = frozenset({"str", "dict", "list"})
DATA_KINDS = frozenset({"DataFrame", "Dataset", "list"})
REPORT_KINDS = frozenset({"EvaluationResult", "BackgroundEvaluation", "Card", "Diff"})
EVALUATOR_KINDS = frozenset({"LocalEvaluator"})
"""Names of classes whose variables Tab offers."""


def model_names(magics: Any) -> list[str]:
    """Return the names of models: variables that hold one, aliases and preset models."""
    return [*tab_completion.variables_of(magics, MODEL_KINDS), *tab_completion.chat_models(magics)]


def data_variables(magics: Any) -> list[str]:
    """Return the variables that hold rows."""
    return tab_completion.variables_of(magics, DATA_KINDS)


def prompt_variables(magics: Any) -> list[str]:
    """Return the variables that may hold templates."""
    return tab_completion.variables_of(magics, PROMPT_KINDS)


def parse_counts(text: str) -> list[int]:
    """Return whole numbers that commas separate.

    Raises:
        ArgumentTypeError: it is something else.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ArgumentTypeError(
            tr("{value} is no list of whole numbers such as 1,5", value=repr(text))
        )
    return [int(word) for word in words]


def metric_names(magics: Any) -> list[str]:
    """Return the metrics, and the variables that hold an evaluator."""
    from ..evaluation.local_evaluators import METRIC_NAMES  # noqa: PLC0415 - %load_ext stays fast

    return [*METRIC_NAMES, *tab_completion.variables_of(magics, EVALUATOR_KINDS)]


def benchmark_names(_magics: Any) -> list[str]:
    """Return the benchmarks, each with the colon before its path."""
    from ..evaluation.benchmarks import LOADERS  # noqa: PLC0415

    return [f"{name}:" for name in LOADERS]


def recipe_names(_magics: Any) -> list[str]:
    """Return the recipes by which metrics are counted."""
    from ..metrics import recipes  # noqa: PLC0415

    return [*recipes.RECIPES]


PARSER = VerbParser(
    "%qfeval",
    tr_noop(
        "Ask models the same questions and score the answers, without blocking the notebook.\n"
        "A MODEL is a variable (Service, Model, ChatCompletion, trainer), a preset model or an "
        "endpoint; "
        "the first is the baseline.\n"
        "A REPORT is the variable of -o, or the newest when none is named.\n"
        "Verbs: {verbs}. A variable that has a verb's name: %qfeval start wait ..."
    ),
    tr_noop(
        "  %qftrain sample\n"
        "  %qftrain start -d teahouse_train.jsonl --epoch 5 --deploy teahouse -o tuned\n"
        "  %qftrain wait\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl -o report\n"
        "  %qfeval wait             (wait for the newest, show its report)\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --judge ernie-5.1 "
        "--budget 5 -o report\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --judge ernie-5.1 "
        "--pairwise -o report\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --prompts short,long "
        "--repeats 5\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --benchmark ceval:ceval-exam --shots 5 --subjects "
        "law,logic -o report\n"
        "  %qfeval ernie-4.5-turbo-128k tuned --data teahouse_heldout.jsonl --dry-run\n"
        "  %qfeval show|cancel [REPORT]\n"
        "  %qfeval browse [REPORT] -o view        (then: report.to_dpo(view.rows))\n"
        "  %qfeval rescore REPORT --metrics bleu4 --recipe qianfan -o other      (no model is "
        "asked)\n"
        "  %qfeval only df --outputs answer_a,answer_b --reference label -o report\n"
        "  %qfeval compare [REPORT [BASE TUNED]]\n"
        "  %qfeval save REPORT report.html|.md|.csv|.xlsx|.json\n"
        "  %qfeval load report.json -o report\n"
        "  %qfeval list                          (every evaluation, of earlier kernels too)\n"
        "  %qfeval open [ID] -o report\n"
        "  %qfeval diff [EARLIER [LATER [MODEL [MODEL]]]]      (on the questions that both have)\n"
        "  %qfeval trend [METRIC] [-m MODEL] [-d DATA]"
    ),
    VERBS,
)
PARSER.add_option(
    "-d", "--data", metavar="DATA",
    help=tr_noop("rows with prompt and response: a variable, a path or ds-...; trend: a name of "
                 "the list"),
    verbs=("start", "only", "trend"), complete=data_variables,
)  # fmt: skip
PARSER.add_option(
    "--benchmark", metavar="NAME:PATH", complete=benchmark_names,
    help=tr_noop("instead of --data: ceval:, cmmlu: or gsm8k: and its folder; with its "
                 "metric"),
)  # fmt: skip
PARSER.add_option(
    "--shots", type=int, metavar="N", help=tr_noop("examples before each question of a benchmark")
)
PARSER.add_option(
    "--split", metavar="NAME", help=tr_noop("which questions of a benchmark: val, test, ...")
)
PARSER.add_option(
    "--subjects", metavar="NAMES", help=tr_noop("subjects of a benchmark, a,b,...; default all")
)
PARSER.add_option(
    "--metrics",
    metavar="NAMES",
    help=tr_noop("a,b,..., functions of the notebook too: the first decides; default "
                 "rouge_l,exact_match"),
    verbs=SCORING_VERBS, complete=metric_names,
)  # fmt: skip
PARSER.add_option(
    "--recipe", metavar="NAME",
    help=tr_noop("how metrics are counted: strict (default), qianfan, llamafactory, sacrebleu-zh"),
    verbs=SCORING_VERBS, complete=recipe_names,
)  # fmt: skip
PARSER.add_option(
    "--judge", metavar="MODELS", help=tr_noop("models that give points, a,b,..."),
    verbs=SCORING_VERBS, complete=model_names,
)  # fmt: skip
PARSER.add_option(
    "--pairwise",
    action="store_true",
    help=tr_noop("--judge says which of two answers is better, asked in both orders"),
    verbs=SCORING_VERBS,
)  # fmt: skip
PARSER.add_option(
    "--fresh", action="store_true", help=tr_noop("ask --judge again what its journal has a "
                                                 "verdict on"),
    verbs=SCORING_VERBS,
)  # fmt: skip
PARSER.add_option(
    "-m", "--model", action="append", metavar="NAME", help=tr_noop("one more model, of any name; "
                                                                   "trend: the model"),
    verbs=("start", "trend"),
    complete=tab_completion.chat_models,
)  # fmt: skip
PARSER.add_option(
    "-e", "--endpoint", action="append", metavar="NAME", help=tr_noop("one more model: a service"),
    complete=tab_completion.endpoints,
)  # fmt: skip
PARSER.add_option(
    "--prompts",
    metavar="NAMES",
    help=tr_noop("variables with templates, a,b,... or one {name: template}: every model is asked "
                 "by each"),
    keyword="prompts", complete=prompt_variables,
)  # fmt: skip
PARSER.add_option(
    "--repeats",
    type=int,
    metavar="N",
    help=tr_noop("answers to each question; default 1"),
    keyword="n",
)
PARSER.add_option(
    "--pass-at",
    type=parse_counts,
    metavar="K,...",
    help=tr_noop("k of pass@k, up to --repeats"),
    keyword="k",
)
PARSER.add_option(
    "--input",
    metavar="COLUMN",
    help=tr_noop("column of the question; default prompt"),
    verbs=("start", "only"),
)
PARSER.add_option(
    "--reference",
    metavar="COLUMN",
    help=tr_noop("column of the expected answer; default response"),
    verbs=("start", "only"),
)
PARSER.add_option(
    "--outputs",
    metavar="COLUMNS",
    help=tr_noop("only: columns with answers; default llm_output"),
    verbs=("only",),
)
PARSER.add_option(
    "--cluster",
    metavar="COLUMN",
    help=tr_noop("column whose equal values mark rows that belong together"),
    verbs=("start", "only"),
)
PARSER.add_option(
    "--system",
    metavar="TEXT",
    help=tr_noop("the system prompt: who the models are"),
    keyword="system",
)
PARSER.add_temperature_option()
PARSER.add_option(
    "--max-tokens",
    type=int,
    metavar="N",
    help=tr_noop("the most tokens of an answer"),
    keyword="max_output_tokens",
)
PARSER.add_option(
    "-w",
    "--workers",
    type=int,
    metavar="N",
    help=tr_noop("how many rows are asked of each model at once; default 8"),
    keyword="workers",
)
PARSER.add_option(
    "--budget",
    type=float,
    metavar="CNY",
    help=tr_noop("what each model may cost"),
    keyword="budget",
)
PARSER.add_option(
    "--budget-tokens",
    type=int,
    metavar="N",
    help=tr_noop("how many tokens each model may use"),
    keyword="budget_tokens",
)
PARSER.add_option(
    "--keep-wrong-rows", action="store_true", help=tr_noop("count rows without content as failed")
)
PARSER.add_option(
    "--dry-run", action="store_true", help=tr_noop("show what it would take; send nothing")
)
PARSER.add_option(
    "-o", dest="variable", type=variable_name, metavar="VAR", help=tr_noop("keep the report in a "
                                                                           "variable"),
    verbs=("start", "only", "rescore", "browse", "load", "compare", "open", "diff", "trend"),
)  # fmt: skip

MAX_WORDS = dict.fromkeys(
    ("wait", "show", "cancel", "only", "browse", "rescore", "load", "open", "trend"), 1
)
MAX_WORDS |= {"compare": 3, "save": 2, "list": 0, "diff": 4}
"""The words that a verb takes at most."""
