"""Mistakes in a line of a magic are named shortly, and Tab offers what may stand there."""

import pytest
from support.kernel import request_counts

pytestmark = pytest.mark.kernel

SETUP = """
import qfnb, pandas as pd
base = qfnb.Service(model="ernie-4.5-turbo-128k", name="base")
other = qfnb.Service(model="ernie-5.1", name="other")
df = pd.DataFrame({"review": ["第 0 条", "第 1 条"], "stars": 5})
talks = pd.DataFrame({"prompt": ["问", "谁"], "response": "九点开门"})
holes = pd.DataFrame({"prompt": ["a", "b"], "review": ["c", None], "response": ["c", float("nan")]})
empty, bare = talks.head(0), talks[["prompt"]]
fresh = qfnb.LLMFinetune("ERNIE-Speed-8K", talks)
_kernel_list = [1]
"""


@pytest.fixture
def prepared(kernel):
    """The kernel with data, models and a training that has not begun."""
    assert not kernel.run(SETUP).error
    return kernel


@pytest.mark.fault("F75")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%qfbatch", "which rows"),
        ("%qfbatch df", "--prompt '...{review}...'"),
        ("%qfbatch dff --prompt x", "did you mean df?"),
        ("%qfbatch nowhere.csv", "there is no such file"),
        ('%qfbatch df --prompt "{reviw}"', "did you mean {review}?"),
        ('%qfbatch df --prompt "{review} {"', "braces that are text"),
        ("%qfbatch df --prompt {review} twice", "into quotes"),
        ("%qfbatch show df answers.csv", "unexpected 'answers.csv' behind 'df'"),
        ("%qfbatch save", "one of .jsonl, .csv, .xlsx, .parquet"),
        ("%qfbatch df --prompt {review} -w 0", "--workers 0: must be an integer from 1 to 1000"),
        ("%qfbatch df --prompt {review} -t nan", "--temperature nan"),
        ("%qfbatch df --prompt 写诗", "set --same-prompt"),
        ("%qfbatch df --prompt {review} -f df", "a batch takes text, json or pydantic:NAME"),
        ("%qfbatch holes --prompt {review}", "row 1: review is NaN"),
        ("%qfbatch wait nobody", "this kernel has no batch 'nobody'"),
        ("%qfbatch delete", "delete needs a batch's name"),
        ("%qfbatch wait --budget 3", "%qfbatch wait takes no budget"),
        ("%qfbatch resume x -m other", "%qfbatch resume takes no model"),
        ("%%qfbatch df\n ", "the cell is empty"),
        ("%%qfchat ernie-5.1\nhello", "%%qfchat -m ernie-5.1"),
        ("%%qfbatch wait\nx", "write %qfbatch wait on a line"),
        ("%%qfbatch df --prompt x\n{review}", "the cell is the prompt"),
        ("%qfeval", "which models"),
        ("%qfeval bse --data talks", "did you mean base?"),
        ("%qfeval base base --data talks", "each model once"),
        ("%qfeval talks --data talks", "talks is a DataFrame"),
        ("%qfeval base", "--data DATA"),
        ("%qfeval base --data tlks", "did you mean talks?"),
        ("%qfeval base --data empty", "no rows"),
        ("%qfeval base --data holes", "response is empty or NaN in 1 of 2 rows: 1"),
        ("%qfeval base --data holes --input respnse", "did you mean response?"),
        ("%qfeval base --data bare", "no column 'response'"),
        ("%qfeval base --data talks --cluster shop", "no column 'shop'"),
        ("%qfeval base --data talks --metrics rouge-l", "did you mean rouge_l?"),
        ("%qfeval base --data talks --metrics f1,f1", "f1 is named twice"),
        ("%qfeval base --data talks --recipe qainfan", "did you mean qianfan?"),
        ("%qfeval base --data talks --judge nobody", "'nobody' is neither a variable"),
        ("%qfeval base --data talks --judge other --pairwise", "two models or more"),
        ("%qfeval base --data talks --pairwise", "--judge MODEL names one"),
        ("%qfeval browse nobody", "'nobody' is not a report"),
        ("%qfeval browse talks base", "unexpected 'base'"),
        ("%qfeval wait --metrics f1", "%qfeval wait takes no metrics"),
        ("%qfeval only talks --outputs answer", "no column 'answer'"),
        ("%qfeval base --benchmark ceval", "NAME:PATH, NAME being one of ceval"),
        ("%qfeval base --data talks --shots 5", "--shots belongs to --benchmark"),
        ("%qfeval save", "save needs a file"),
        ("%%qfchat\n   ", "write the question below the first line"),
        ("%%qfchat --modle x\n你好", "did you mean --model?"),
        ("%%qfchat -t nan\n你好", "--temperature nan: must be a number"),
        ("%%qfchat 你好\n吗", "the question goes below it"),
        ('%%qfchat -s "open\n你好', "a quote is not closed"),
        ("%%qfchat -e _kernel_list\n你好", "_kernel_list"),
        ("%%qfimage\n  ", "describe the picture"),
        ("%%qfimage -n 0\n猫", "-n 0: must be an integer from 1"),
        ("%qfauth sett", "'sett' is not a verb of %qfauth; did you mean set?"),
        ("%qfchat undo", "usage: %qfchat undo NAME"),
        ("%%qfchat -m a,b -f json\nx", "-f json reads one answer"),
        ("%%qfchat -m a,b --session s\nx", "--session remembers one conversation"),
        ("%qfchat alias a,b c", "a name has no comma"),
        ("%qftrain dance", "is not a verb"),
        ("%qftrain stop nobody", "neither a trainer"),
        ("%qftrain compare trainer", "two trainings or more"),
        ("%qftrain alert trainer", "alert needs --to"),
        ("%qftrain show trainer --epoch 3", "takes no epoch"),
        ("%qftrain chat fresh", "no service yet"),
        ("%qftrain stop fresh", "is not running"),
    ],
)
def test_a_mistake_is_named_in_at_most_three_lines_and_nothing_is_sent(
    prepared, control, line, words
):
    before = request_counts(control)
    cell = prepared.run(line)
    assert (cell.status, len(cell.outputs)) == ("error", 1)
    assert words in cell.text
    assert len([row for row in cell.text.strip().splitlines() if not row.startswith("%")]) <= 3
    assert request_counts(control) == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%%qfchat -m no-such-model\n你好", "no-such-model"),
        ("%%qfchat\n" + "很长" * 200_000, "too_long"),
        ("%%qfimage -m no-such\n猫", "no-such"),
    ],
)
def test_a_refusal_of_the_platform_is_short(prepared, code, words):
    cell = prepared.run(code)
    assert (cell.status, words in cell.text, len(cell.text) < 400) == ("error", True, True)


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("%qfbatch ", {"wait", "resume", "df", "talks"}),
        ("%qfbatch d", {"df", "delete"}),
        ("%qfbatch df -m ernie-4.5-turbo-1", {"ernie-4.5-turbo-128k"}),
        ("%qfbatch df --bud", {"--budget"}),
        ("%qfbatch wait res", {"result"}),
        ("%qfbatch resume kept-", {"kept-by-name"}),
        ("%qfeval ", {"wait", "browse", "base", "ernie-4.5-turbo-128k"}),
        ("%qfeval base ot", {"other"}),
        ("%qfeval base --data ta", {"talks"}),
        ("%qfeval base --metrics rouge_l,exa", {"rouge_l,exact_match"}),
        ("%qfeval base --judge ernie-5.1", {"ernie-5.1"}),
        ("%qfeval base --clu", {"--cluster"}),
        ("%qfeval browse rep", {"report"}),
        ("%%qfchat -m ernie-4.5-turbo-1", {"ernie-4.5-turbo-128k"}),
        ("%%qfchat -m ernie-5.1,deepseek-v4-p", {"ernie-5.1,deepseek-v4-pro"}),
        ("%%qfchat --ses", {"--session"}),
        ("%%qfchat --session tr", {"trip"}),
        ("%%qfchat -f js", {"json"}),
        ("%qfchat undo tr", {"trip"}),
        ("%qftrain sta", {"start"}),
        ("%%qfimage --si", {"--size"}),
    ],
)
def test_tab_completes(prepared, before, offered):
    prepared.run(
        "trip = ['你好']; report = qfnb.compare(base, other, talks).report; "
        "result = qfnb.batch(df, '判断 {review}', name='kept-by-name'); result.wait()"
    )
    prepared.run("%%qfchat --session trip\n你好")
    reply = prepared.client.complete(before, len(before), reply=True, timeout=240)
    assert offered <= set(reply["content"]["matches"])
