"""README and guide: what they say of models, prices and results is what the code says, in both
languages alike.
"""

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest
from support.kernel import Kernel

from qfnb import get_config, wire
from qfnb.wire import catalog
from qfnb.wire.endpoints import ENDPOINTS
from qfnb.wire.prices import PriceRange

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "guide"
ENGLISH = sorted(
    path for path in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"] if ".zh." not in path.name
)
TRANSLATED = [path for path in ENGLISH if path.with_suffix(".zh.md").exists()]
FROM_THE_SDK = [GUIDE / "from-the-sdk.md", GUIDE / "from-the-sdk.zh.md"]
RETIRED = re.compile(r"^\| (\S+) \| (20\d\d-\d\d-\d\d) \| (\S+) \|$", re.MULTILINE)


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def outline(path: Path) -> list[str]:
    """Return the marks of a page's headings, rows of tables and blocks of code, without their
    words.
    """
    return re.findall(r"^(#+|```\w*|\|)", text_of(path), re.MULTILINE)


@pytest.mark.parametrize(
    "path", [*GUIDE.glob("*.md"), ROOT / "README.md"], ids=lambda path: path.name
)
def test_every_page_is_there_in_both_languages(path):
    assert path.name.endswith(".zh.md") or path in TRANSLATED


@pytest.mark.parametrize("path", TRANSLATED, ids=lambda path: path.name)
def test_both_languages_have_the_same_outline(path):
    assert outline(path) == outline(path.with_suffix(".zh.md"))


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_front_page_is_short_and_its_links_lead_somewhere(name):
    text = text_of(ROOT / name)
    assert text.count("\n") <= 110
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.kernel
def test_the_cells_of_both_front_pages_reach_a_comparison_in_a_new_notebook(
    sandbox, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    kernel = Kernel()
    try:
        for name in ("README.md", "README.zh.md"):
            cells = [
                kernel.run(code)
                for code in re.findall(r"(?ms)^```\n(%.*?)^```$", text_of(ROOT / name))
            ]
            assert (len(cells), [cell.error for cell in cells if cell.error]) == (6, []), name
            assert "tuned is better than ernie-4.5-turbo-128k" in cells[-1].text
    finally:
        kernel.close()


def test_figures_of_the_pages_are_those_that_their_command_has_stored():
    figures = json.loads(text_of(ROOT / "benchmarks" / "figures.json"))
    marker = re.compile(r"<!-- figure: ([\w.]+) -->(.*?)<!-- /figure -->", re.DOTALL)
    pages = [*ROOT.glob("docs/**/*.md"), *ROOT.glob("README*.md")]
    shown = [(page.name, *figure) for page in pages for figure in marker.findall(text_of(page))]
    assert {name for name, *_ in shown} >= {
        "README.md",
        "README.zh.md",
        "training.md",
        "training.zh.md",
        "sandbox.md",
    }
    assert [row for row in shown if figures.get(row[1]) != row[2]] == []


@pytest.mark.parametrize("path", sorted(GUIDE.glob("*.md")), ids=lambda path: path.name)
def test_links_of_the_guide_lead_somewhere_in_the_repository_too(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", text_of(path)):
        assert (GUIDE / target).exists(), target


@pytest.mark.parametrize("path", FROM_THE_SDK, ids=lambda path: path.name)
def test_the_table_of_retired_models_is_the_catalogues(path):
    rows = RETIRED.findall(text_of(path))
    assert len(rows) >= 9
    for name, ended, replacement in rows:
        model = catalog.find_model(None, name)
        heir = catalog.living_replacement(model.kind, name)
        assert (model.ended, heir.id) == (ended, replacement)


@pytest.mark.parametrize(
    "path", sorted({*ENGLISH, *GUIDE.glob("*.md")} - {*FROM_THE_SDK}), ids=lambda path: path.name
)
def test_examples_name_living_models(path):
    words = {word.strip("\"'`,.()").lower() for word in text_of(path).split()}
    retired = {
        name.lower()
        for row in catalog.load_models()
        if row.status == "retired"
        for name in (row.id, row.name)
    }
    assert words & retired == set()


@pytest.mark.parametrize("name", ["00_quickstart.ipynb", "00_quickstart.zh.ipynb"])
def test_the_stored_figures_are_those_of_the_quickstart(name):
    notebook = json.loads(text_of(ROOT / "notebooks" / name))
    outputs = json.dumps([cell.get("outputs") for cell in notebook["cells"]], ensure_ascii=False)
    figures = json.loads(text_of(ROOT / "benchmarks" / "figures.json"))
    stored = [
        value
        for name, value in figures.items()
        if re.search(r"exact_match|rouge_l|difference", name)
    ]
    numbers = re.findall(r"[01]\.\d{3}", " ".join(stored))
    assert len(numbers) >= 12
    assert [number for number in numbers if number not in outputs] == []


@pytest.mark.parametrize(
    "name", ["README.md", "README.zh.md", "docs/guide/training.md", "docs/guide/training.zh.md"]
)
def test_the_numbers_of_the_tuning_are_all_written_by_the_command(name):
    section = re.search(
        r"(?ms)^## (?:Does tuning help\?|微调有用吗？).*?(?=^## |\Z)", text_of(ROOT / name)
    )[0]
    written = re.sub(r"(?s)<!-- figure: .*?<!-- /figure -->", "", section)
    assert section.count("<!-- figure: ") >= 8
    assert re.findall(r"[01]\.\d{3,4}", written) == ["0.0001"]


@pytest.mark.parametrize("name", ["README.md", "README.zh.md"])
def test_the_number_of_the_sandboxs_operations_is_right(name):
    for module in pkgutil.iter_modules(wire.__path__):
        importlib.import_module(f"qfnb.wire.{module.name}")
    assert re.findall(r"(\d+) (?:operations|个操作)", text_of(ROOT / name)) == [str(len(ENDPOINTS))]


@pytest.mark.parametrize("name", ["account.md", "account.zh.md"])
def test_the_prices_of_the_guide_can_be_read(tmp_path, name):
    (tmp_path / "prices.csv").write_text(
        text_of(GUIDE / name).split("```csv\n")[1].split("```")[0], encoding="utf-8"
    )
    get_config().prices = str(tmp_path / "prices.csv")
    assert catalog.reply_cost("my-model", 1000, 1000, is_batch=True) == PriceRange(0.002, 0.002)
    assert catalog.reply_cost("deepseek-v4-pro", 1000, 1000, hour=23) == PriceRange(0.022, 0.022)
