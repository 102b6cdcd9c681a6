"""The options of `%qfbatch`."""

from ..base.language import tr_noop
from . import tab_completion
from .parser import variable_name
from .verb_magic import VerbParser

FORMATS = ("text", "json")

VERBS = ("start", "wait", "show", "pause", "resume", "cancel", "list", "delete")

DATA_SUFFIXES = (".jsonl", ".csv", ".parquet")

DATA_KINDS = frozenset({"DataFrame", "Series", "Dataset", "list"})
BATCH_KINDS = frozenset({"Batch", "BatchTask"})
"""Names of classes whose variables Tab offers."""


PARSER = VerbParser(
    "%qfbatch",
    tr_noop(
        "Ask a model about every row, without blocking the notebook and without losing a row.\n"
        "DATA is a variable (DataFrame, Series, list, Dataset) or a path; {column} is a cell of "
        "the row.\n"
        "Verbs: {verbs}. A variable that has a verb's name: %qfbatch start list --prompt ..."
    ),
    tr_noop(
        '  %qfbatch df --prompt "Classify: {review}" -m ernie-4.5-turbo-128k -o result\n'
        "  %qfbatch wait            (wait for the newest, show its end)\n"
        "  result.to_frame()\n\n"
        "  %%qfbatch reviews.csv -o result --out answers.jsonl        (the cell is the prompt)\n"
        "  Is this review positive or negative? Answer with one word:\n  {review}\n\n"
        "  %qfbatch show|pause|cancel [VAR|NAME]        (the newest when none is named)\n"
        "  %qfbatch list\n"
        "  %qfbatch resume NAME -o result        (ask what is missing, in a new kernel too)\n"
        "  %qfbatch delete NAME        (with all its answers)"
    ),
    VERBS,
)
PARSER.add_option(
    "--prompt",
    metavar="TEMPLATE",
    help=tr_noop("{column} is a cell of the row; {{ and }} are braces"),
)
PARSER.add_option(
    "-m",
    "--model",
    metavar="NAME",
    help=tr_noop("the model to ask; default: the default chat model"),
    complete=tab_completion.chat_models,
)
PARSER.add_option(
    "-e",
    "--endpoint",
    metavar="NAME",
    help=tr_noop("a service of your own: its name, id or suffix, or its training"),
    complete=tab_completion.endpoints,
)
PARSER.add_option(
    "--system",
    metavar="TEXT",
    help=tr_noop("the system prompt: who the model is"),
    keyword="system",
)
PARSER.add_temperature_option()
PARSER.add_option(
    "-f",
    "--format",
    metavar="FORMAT",
    help=tr_noop("text, json, or pydantic:NAME, a class of the notebook that each answer must fit"),
    complete=lambda _: [*FORMATS, "pydantic:"],
)
PARSER.add_think_option()
PARSER.add_option(
    "--max-tokens",
    type=int,
    metavar="N",
    help=tr_noop("the most tokens of an answer"),
    keyword="max_output_tokens",
)
PARSER.add_option(
    "-w", "--workers", type=int, metavar="N", help=tr_noop("how many rows are asked at once, 1 to "
                                                           "1000; default 8"),
    keyword="workers", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--budget", type=float, metavar="CNY", help=tr_noop("stop before it costs more"),
    keyword="budget", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--budget-tokens", type=int, metavar="N", help=tr_noop("stop before it uses more tokens"),
    keyword="budget_tokens", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--name",
    metavar="NAME",
    help=tr_noop("name of the journal; by default derived from the question"),
    keyword="name",
)
PARSER.add_option(
    "--out",
    metavar="FILE",
    help=tr_noop("write the results to a .jsonl, .csv or .parquet file"),
    keyword="out",
)
PARSER.add_option(
    "--dedupe", action="store_true", help=tr_noop("ask identical rows once"), keyword="dedupe"
)
PARSER.add_option(
    "--update",
    action="store_true",
    help=tr_noop("accept that the input of a named journal has changed"),
    keyword="allow_changed_input",
)
PARSER.add_option(
    "--keep-wrong-rows", action="store_const", const="fail", help=tr_noop("count rows that cannot "
                                                                          "be asked as failed"),
    keyword="invalid_rows",
)  # fmt: skip
PARSER.add_option(
    "--same-prompt", action="store_true", help=tr_noop("the prompt names no column: ask it once "
                                                       "for every row"),
    keyword="allow_same_prompt",
)  # fmt: skip
PARSER.add_option(
    "--canary",
    type=int,
    metavar="N",
    help=tr_noop("how many rows are asked first, 0 for none; default 3"),
    keyword="canary",
)
PARSER.add_option(
    "--mode",
    metavar="MODE",
    help=tr_noop("offline: hand the rows to the platform's batch service"),
    keyword="mode",
)
PARSER.add_option(
    "--dry-run", action="store_true", help=tr_noop("show what it would take; send nothing")
)
PARSER.add_option(
    "-o", dest="variable", type=variable_name, metavar="VAR", help=tr_noop("keep the batch in a "
                                                                           "variable"),
    verbs=("start", "resume"),
)  # fmt: skip
