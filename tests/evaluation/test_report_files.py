"""Reports as files: complete, inert, without secrets and without network."""

import csv
import html.parser
import io
import json
import re
import zipfile

import pytest
from hypothesis import given, strategies as st
from markdown_it import MarkdownIt
from support.attacks import ATTACKS

from qfnb import InvalidArgumentError
from qfnb.evaluation import Report
from qfnb.evaluation.report import Sample
from qfnb.evaluation.report.text import to_markdown

SECRET = "bce-v3/ALTAK-abcdef/0123456789abcdef"
FORMULAS = ["=1+1", "+86", "-1", "@SUM(A1)", "\t=cmd|' /C calc'!A0"]
NASTY = [
    *ATTACKS,
    *FORMULAS,
    SECRET,
    "\x00\x1b[31m红\x1b[0m\u202e",
    "半\ud83d",
    "a|b\n# c",
    "长" * 40_000,
]


def report(texts=NASTY):
    samples = tuple(
        Sample(
            f"m{number}",
            index,
            text,
            text,
            f"{text}{number}",
            {"分数<b>": float((index + number) % 2)},
            notes={"why": text},
        )
        for number in (1, 2)
        for index, text in enumerate(texts)
    )
    return Report(
        samples,
        ("m1", "m2"),
        ("分数<b>",),
        notes=(SECRET, "<script>1</script>"),
        recipes={"分数<b>": "<i>"},
    )


class Tags(html.parser.HTMLParser):
    """Collects the tags, attributes and texts of a page."""

    def __init__(self):
        super().__init__()
        self.tags = set()
        self.attributes = []
        self.text = []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def page(path):
    tags = Tags()
    tags.feed(path.read_text(encoding="utf-8"))
    return tags


def test_a_page_has_no_script_no_network_and_no_secret(tmp_path):
    path = report().save(tmp_path / "r.html")
    tags = page(path)
    assert tags.tags <= {
        "html", "head", "meta", "title", "style", "body", "section", "header", "h3", "h4", "p", "small", "strong", "b",
        "br", "span", "div", "article", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary",
        "del", "ins", "figure", "figcaption", "img", "svg", "path", "rect", "circle", "text",
    }  # fmt: skip
    assert {name for name, _ in tags.attributes} <= {
        "charset", "http-equiv", "content", "name", "lang", "class", "scope", "open", "alt", "src", "role", "title",
        "aria-label", "aria-hidden", "colspan", "xmlns", "viewbox", "width", "height", "font-size", "font-family",
        "font-weight", "text-anchor", "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray",
        "stroke-linejoin", "d", "x", "y", "r", "cx", "cy",
    }  # fmt: skip
    assert all(
        value.startswith("data:image/png;base64,")
        for name, value in tags.attributes
        if name == "src"
    )
    assert SECRET not in path.read_text(encoding="utf-8")


def test_a_card_leads_its_page(tmp_path):
    text = "".join(page(report(["问题"] * 8).card().save(tmp_path / "card.html")).text)
    assert text.index("Questions: 4 better, 4 worse, 0 equal.") < text.index("Means with")


@pytest.mark.parametrize("text", ATTACKS)
def test_attacks_are_text_in_markdown(text):
    assert not re.search(r"[<>]|(?<!\\)[\[`]", to_markdown(text).replace("<br>", ""))


@pytest.mark.parametrize(
    "text",
    [
        "tuned is better than base (n = 144): +0.840, 95% interval 0.766 to 0.891; p < "
        "0.0001.".replace("<", "is"),
        "rouge_l: ROUGE-L, e.g. ernie-4.5-turbo-128k. #3! {x} 3 > 2".replace(">", "and"),
        "精确 McNemar 检验（n = 5）。",
    ],
)
def test_a_sentence_is_written_in_markdown_as_it_is(text):
    assert to_markdown(text) == text


CELL = st.text(st.sampled_from("ab1 .!#*_`~[](){}<>|+-=:/@&$\\\"'"), max_size=12)


@given(CELL)
def test_no_text_is_more_than_text_in_markdown(text):
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    written = to_markdown(f"{text} www.a.b http://c.d e@f.g")
    for page in (f"| head |\n| --- |\n| {written} |", f"- {written}", written):
        rendered = markdown.render(page)
        tags = set(re.findall(r"<(\w+)", rendered)) - {
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "ul",
            "li",
            "p",
        }
        shown = " ".join(
            html.unescape(re.sub(r"<[^>]*>", " ", rendered)).replace("head", "", 1).split()
        )
        assert not tags, rendered
        assert "".join(shown.split()) == "".join(f"{text}www.a.bhttp://c.de@f.g".split())


def test_a_markdown_table_keeps_its_columns(tmp_path):
    text = report(["a|b\nc"]).save(tmp_path / "r.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows[:4]} == {12}
    assert "script" in text
    assert SECRET not in report().save(tmp_path / "s.md").read_text(encoding="utf-8")


def test_csv_has_all_rows_and_no_formula(tmp_path):
    content = report().save(tmp_path / "r.csv").read_bytes()
    rows = [*csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]
    assert len(rows) == 2 * len(NASTY)
    assert not [
        cell
        for row in rows
        for cell in (row["prompt"], row["output"])
        if cell.startswith(("=", "+", "-", "@", "\t"))
    ]
    assert SECRET.encode() not in content


def test_excel_has_texts_where_texts_were(tmp_path):
    from openpyxl import load_workbook

    path = report().save(tmp_path / "r.xlsx")
    sheet = load_workbook(path)["samples"]
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "inlineStr", "n"}
    assert sheet.max_row == 1 + 2 * len(NASTY)
    assert SECRET.encode() not in zipfile.ZipFile(path).read("xl/worksheets/sheet4.xml")


def marked_report():
    samples = tuple(
        Sample(
            m,
            n,
            "q",
            "r",
            "" if (m, n) == ("b", 1) else "r",
            {"m": 1.0},
            error="x" if (m, n) == ("b", 1) else "",
        )
        for m in "ab"
        for n in range(2)
    )
    return Report(
        samples,
        ("a", "b"),
        ("m",),
        recipes={"m": "exact match"},
        origins={"a": "sandbox", "b": "qianfan"},
    )


def test_tables_say_origin_recipe_and_coverage_and_pandas_reads_them_back(tmp_path):
    import pandas as pd

    expected = [
        ("a", "Local sandbox", "m: exact match", "m 2/2"),
        ("b", "qianfan", "m: exact match", "m 1/2"),
    ]
    columns = ["model", "report_origin", "report_recipe", "report_coverage"]
    samples = pd.read_csv(marked_report().save(tmp_path / "r.csv"))
    assert [*samples[columns].drop_duplicates().itertuples(index=False, name=None)] == expected
    assert samples["m"].tolist()[:3] == [1.0, 1.0, 1.0]
    summary = pd.read_excel(marked_report().save(tmp_path / "r.xlsx"))
    assert [*summary[columns].itertuples(index=False, name=None)] == expected


def test_every_sheet_with_numbers_says_where_they_are_from(tmp_path):
    import pandas as pd

    sheets = pd.read_excel(marked_report().save(tmp_path / "r.xlsx"), sheet_name=None)
    assert [name for name, sheet in sheets.items() if "report_origin" not in sheet] == ["notes"]
    pair = sheets["pairs"].iloc[0]
    assert (pair.report_origin, pair.report_coverage) == ("Local sandbox; qianfan", "m 2/2; m 1/2")
    assert sheets["usage"].report_origin.tolist() == ["Local sandbox", "qianfan"]
    assert sheets["notes"].notes.tolist()[:2] == ["Local sandbox: a", "m: exact match"]


def test_tables_and_texts_of_a_report_say_where_their_numbers_are_from():
    report = marked_report()
    assert report.pairs.attrs["origins"] == {"a": "sandbox", "b": "qianfan"}
    assert report.summary.groupby("metric").first().attrs["recipes"] == {"m": "exact match"}
    for text in (repr(report), repr(report.card())):
        assert text.splitlines()[0] == "Local sandbox: a"
        assert "m: exact match" in text.splitlines()


def test_the_origin_of_a_report_is_kept_and_that_of_an_older_file_is_in_its_notes(tmp_path):
    assert Report.from_json(marked_report().to_json()).origins == {"a": "sandbox", "b": "qianfan"}
    document = json.loads(marked_report().to_json()) | {
        "notes": ["a: 2 of 2 answered, 本地沙盒 sandbox, batch 1"]
    }
    del document["origins"]
    assert Report.from_json(json.dumps(document)).from_sandbox
    assert not Report.from_json(json.dumps(document | {"notes": []})).from_sandbox


def test_json_comes_back_without_the_secret(tmp_path):
    path = report().save(tmp_path / "r.json")
    again = Report.load(path)
    assert again.summary.equals(report().summary)
    assert [s.prompt for s in again.records if s.prompt == "=1+1"]
    assert SECRET not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["r.html", "r.md", "r.csv", "r.xlsx", "r.json"])
def test_nothing_measured_can_be_written_too(tmp_path, name):
    empty = Report((Sample("m", 0, "q", "r", "", {}, error="gone"),), ("m",), ())
    assert empty.save(tmp_path / name).stat().st_size > 0


def test_files_that_cannot_be_written_or_read_are_refused(tmp_path):
    with pytest.raises(InvalidArgumentError, match="ends in none of"):
        report(["a"]).save(tmp_path / "r.pdf")
    with pytest.raises(InvalidArgumentError, match="cannot be written"):
        report(["a"]).save(tmp_path / "no" / "r.html")
    with pytest.raises(InvalidArgumentError, match="cannot be read"):
        Report.load(tmp_path / "none.json")


def test_excel_without_its_package_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
    with pytest.raises(InvalidArgumentError, match=r"qfnb\[excel\]"):
        report(["a"]).save(tmp_path / "r.xlsx")
