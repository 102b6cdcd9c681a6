"""An error of a magic ends in the cell to run next: in each language, and that cell runs."""

import pytest

from qfnb.sandbox import process

KEY = "bce-v3/ALTAK-canary/0123456789abcdef"

PREPARE = """
import pathlib, pandas as pd, qfnb
df = pd.DataFrame({'topic': ['what is it?'] * 6, 'reply': ['a bike'] * 6})
zh = pd.DataFrame({'问题': ['是什么？'], '回答': ['单车']})
pairs = df.rename(columns={'topic': 'prompt', 'reply': 'response'})
pairs.to_json('pairs.jsonl', orient='records', lines=True)
pairs.to_json('pairs.jsonl', orient='records', lines=True)
df.to_csv('bike.csv', index=False)
for name in ('one', 'two'):
    qfnb.batch(df, '{topic}', name=name).wait()
"""

NEXT_CELLS = [
    ("%qftrain bike.csv", "%qftrain new bike.csv"),
    ("%qftrain biek.csv", "%qftrain new bike.csv"),
    ("%qftrain df", "%qftrain new df"),
    ("%qftrain strat -d pairs --epoch 1", "%qftrain start -d pairs --epoch 1"),
    ("%qftrain nothing", "%qftrain help"),
    ("%qftrain start", "%qftrain"),
    (("%qftrain start -d bike.csv --epoch "
     "1"), "%qftrain start -d bike.csv --epoch 1 --input topic --reference reply"),
    ("%qftrain start -d df --epoch x", "%qftrain help"),
    ("%qftrain start -d pair.jsonl --epoch 1", "%qftrain start -d pairs.jsonl --epoch 1"),
    ("%qftrain start -d pairs --epochs 1", "%qftrain start -d pairs --epoch 1"),
    ("%qftrain compare df", "%qftrain help"),
    ("%qftrain attach", "%qftrain"),
    ("%qftrain stop", "%qftrain list"),
    (f"%qfauth set {KEY}", "%qfauth set"),
    (f"%qfauth {KEY}", "%qfauth set"),
    (f"%qfauth shw {KEY}", "%qfauth show"),
    (f"%qfauth doctor {KEY}", "%qfauth doctor"),
    ("%qfbatch df --dry-run", "%qfbatch df --dry-run --prompt {topic}"),
    ("%qfbatch df --dry-run --prompt {topc}", "%qfbatch df --dry-run --prompt {topic}"),
    ("%qfbatch lsit", "%qfbatch list"),
    ("%qfbatch delete", "%qfbatch delete two\n%qfbatch delete one"),
    ("%qfbatch df --wrong", "%qfbatch help"),
    ("%qfeval base tuned --data df", "%qfeval help"),
    ("%qfeval -m ernie-5.1 --data bike.csv --dry-run",
     "%qfeval -m ernie-5.1 --data bike.csv --dry-run --input topic --reference reply"),
    ("%qfeval show", "%qfeval help"),
    ("%qfchat histroy", "%qfchat history"),
    ("%qfchat --wrong x", "%qfchat help"),
    ("%%qfimage --wrong\nx", "%qfimage help"),
    ("%qf wrong", "%qf help"),
    ("%qfsandbox sttaus", "%qfsandbox status"),
    ("%qfdoctor wrong", "%qfdoctor help"),
]  # fmt: skip
NEEDS_A_PERSON = {"%qfauth set", "%qfbatch delete two\n%qfbatch delete one"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A state folder without trainings; its sandbox ends with the module."""
    folder = tmp_path_factory.mktemp("next")
    yield folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFNB_STATE_DIR", str(folder))
        process.stop()


@pytest.fixture
def prepared(kernel, folder):
    """The kernel with rows in a variable and in a file, two finished batches, and no training."""
    code = (
        f"import os; os.environ['QFNB_STATE_DIR'] = {str(folder)!r}; "
        f"os.chdir({str(folder)!r})\n{PREPARE}"
    )
    if not (folder / "bike.csv").exists():
        assert not kernel.run(code).error
    return kernel


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("cell", "next_cells"), NEXT_CELLS, ids=[cell for cell, _ in NEXT_CELLS])
def test_an_error_ends_in_a_cell_that_runs(prepared, cell, next_cells, language):
    prepared.run(f"qfnb.get_config().lang = {language!r}")
    text = "\n".join(prepared.run(cell).error)
    first, *others = text.splitlines()
    assert "\n".join(line for line in others if line.startswith("%")) == next_cells
    assert first.isascii() == (language == "en")
    assert KEY not in text
    for line in [] if next_cells in NEEDS_A_PERSON else next_cells.splitlines():
        assert not prepared.run(line).error
    if next_cells.startswith("%qftrain start"):
        prepared.run("%qftrain wait")
        prepared.run(
            "import shutil; shutil.rmtree('runs')\nfrom qfnb.views import panel; "
            "panel.RECENT_PANELS.clear()"
        )


@pytest.mark.parametrize(
    ("cell", "corrected"),
    [
        ("%%qfchat --temperatur 1\nwho?", "%%qfchat --temperature 1\nwho?"),
        ("%%qfbatch df --dry-run\nIn brief:\n{topc}", "%%qfbatch df --dry-run\nIn brief:\n{topic}"),
    ],
)
def test_a_cell_with_a_mistake_is_proposed_with_its_text(prepared, cell, corrected):
    assert "\n".join(prepared.run(cell).error).endswith(f"\n{corrected}")


def test_the_form_takes_the_names_of_columns(prepared):
    prepared.run("qfnb.get_config().lang = 'en'")
    assert not prepared.run(
        "%qftrain new bike.csv --input topic --reference reply", live=True
    ).error
    assert "name columns of a file" in str(prepared.run("%qftrain new ds-abc --input topic").error)


def test_a_page_gets_the_error_as_a_card_that_is_announced_once(prepared):
    prepared.run("qfnb.get_config().lang = 'en'")
    cell = prepared.run("%qftrain bike.csv", live=True)
    prepared.until(lambda: "qf-error" in cell.html)
    assert cell.html.count('role="alert"') == 1
    assert "<code>%qftrain new bike.csv</code>" in cell.html


@pytest.mark.parametrize("magic", ["qf", "qfauth", "qfbatch", "qfchat", "qfdoctor", "qfeval", "qfimage", "qfsandbox",
                                   "qftrain"])  # fmt: skip
def test_help_is_a_verb_of_every_magic_and_tab_offers_it(prepared, magic):
    prepared.run("qfnb.get_config().lang = 'en'")
    assert f"%{magic} [-h]" in prepared.run(f"%{magic} help").text
    code = (
        "from qfnb.notebook.parser import complete_line; "
        f"complete_line(get_ipython(), '%{magic} h')"
    )
    assert "'help'" in prepared.run(code).text


def test_a_notice_is_no_error_output(prepared):
    prepared.run("qfnb.get_config().lang = 'en'")
    cell = prepared.run("%%qfchat -m ernie-speed-8k --think low\nHello")
    assert "ernie-speed-8k ended 2026-01-27; asking ernie-4.5-turbo-128k instead" in cell.html
    line = prepared.run("reply = %qfchat -m ernie-lite-8k Hello")
    assert "ernie-lite-8k ended" in line.html
    assert not [output for output in cell.outputs + line.outputs if output.get("name") == "stderr"]
