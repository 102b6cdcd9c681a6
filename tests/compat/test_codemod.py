"""What becomes of code for the official SDK."""

import json

import pytest

from qfnb.cli.migrate import migrate_file as migrate
from qfnb.compat.codemod import TRANSLATED
from qfnb.errors import InvalidArgumentError
from qfnb.resources.inference.v1_words import V1_ONLY, to_v2_options


@pytest.fixture
def migrated(tmp_path):
    """Return a function that migrates a text; what it returns is the text after, and the messages
    by kind.
    """

    def run(text):
        path = tmp_path / "module.py"
        path.write_bytes(text.encode())
        migration = migrate(path)
        messages = {
            kind: [message for *_, each, message in migration.findings if each == kind]
            for kind in ("note", "manual")
        }
        return migration.content.decode(), messages

    return run


@pytest.fixture
def notebook(tmp_path):
    """Return a function that migrates code cells; what it returns are the cells after, and the
    migration.
    """

    def run(*sources, **fields):
        cells = [
            {"cell_type": "code", "metadata": {}, "outputs": [], "source": text} for text in sources
        ]
        cells = [{"cell_type": "markdown", "metadata": {}, "source": "# qianfan"}, *cells]
        path = tmp_path / "notebook.ipynb"
        path.write_text(
            json.dumps(
                {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | fields
            )
        )
        migration = migrate(path)
        return [cell["source"] for cell in json.loads(migration.content)["cells"][1:]], migration

    return run


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import qianfan\nqianfan.ChatCompletion()", "import qfnb\nqfnb.ChatCompletion()"),
        ("import qianfan as q\nq.ChatCompletion()", "import qfnb as q\nq.ChatCompletion()"),
        ("import os, qianfan.dataset  # 数据", "import os, qfnb.dataset  # 数据"),
        (("from qianfan import (\n    Completion,  # "
         "续写\n)"), "from qfnb import (\n    Completion,  # 续写\n)"),
        ("from  qianfan.dataset  import *", "from  qfnb.dataset  import *"),
        (("字 = 1; import qianfan; x = '千'; "
         "qianfan.get_config"), "字 = 1; import qfnb; x = '千'; qfnb.get_config"),
        ("import qianfan\nprint(f'字{qianfan.__version__}')", "import qfnb\nprint(f'字{qfnb.__version__}')"),
        ("import qianfan\r\nx = qianfan.Dataset\r\n", "import qfnb\r\nx = qfnb.Dataset\r\n"),
        (("import qianfan\nqianfan = "
         "qianfan.Dataset"), "import qfnb as qianfan\nqianfan = qianfan.Dataset"),
        (("import qianfan\ndef f(qfnb): return "
         "qianfan"), "import qfnb as qianfan\ndef f(qfnb): return qianfan"),
    ],
)  # fmt: skip
def test_imports_and_names_are_rewritten_and_nothing_else(migrated, before, after):
    assert migrated(before)[0] == after


def test_code_that_does_not_use_the_sdk_stays(migrated):
    text = "qianfan = 1\nmodel = 'ERNIE-Bot'  # qianfan.x\nfrom .qianfan import x"
    assert migrated(text) == (text, {"note": [], "manual": []})


def test_a_name_that_qfnb_does_not_have_stays_with_the_sdk(migrated):
    text = "from qianfan import Dataset, Nothing as N\nimport qianfan.nothing\n"
    after, messages = migrated(text)
    assert after == text
    assert "qianfan.Nothing" in messages["manual"][0]
    assert "qianfan.nothing" in messages["manual"][1]


def test_an_attribute_that_qfnb_does_not_have_is_named(migrated):
    _, messages = migrated("import qianfan\nqianfan.Nothing(qianfan.Dataset)")
    assert len(messages["manual"]) == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ChatCompletion(model='ERNIE-Bot')", "ChatCompletion(model='ernie-4.5-turbo-128k')"),
        (('c = ChatCompletion()\nc.do("x", '
         'model="deepseek-r1")'), 'c = ChatCompletion()\nc.do("x", model="deepseek-v4-pro")'),
        ("ChatCompletion(version='1')", "ChatCompletion(version='2')"),
        (("def f(chat):\n    chat.do('x', "
         "model='qwq-32b')"), "def f(chat):\n    chat.do('x', model='qwen3.5-27b')"),
        ("ChatCompletion(model='ernie-5.0')", "ChatCompletion(model='ernie-5.0')"),
        ("ChatCompletion(model='of-my-own')", "ChatCompletion(model='of-my-own')"),
    ],
)  # fmt: skip
def test_models_and_versions_that_have_ended_are_replaced(migrated, before, after):
    assert (
        migrated(f"from qianfan import ChatCompletion\n{before}")[0]
        == f"from qfnb import ChatCompletion\n{after}"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("model.Model('set-1', 'am-1')", "model.Model(set_id='set-1', id='am-1')"),
        ("Model('am-1')", "Model('am-1')"),
        ("ChatCompletion('1', model='x')", "ChatCompletion(version='2', model='x')"),
        ("Reranker().do(q, rows, 3)", "Reranker().do(q, rows, top_n=3)"),
        ("Reranker().do(*many)", "Reranker().do(*many)"),
    ],
)
def test_arguments_whose_position_is_another_are_named(migrated, before, after):
    head = (
        "from qianfan import ChatCompletion, Reranker, model\nfrom qianfan.resources import Model\n"
    )
    assert migrated(head + before)[0] == head.replace("qianfan", "qfnb") + after


def test_the_models_of_trainings_are_not_touched(migrated):
    code = "LLMFinetune(train_type='ERNIE-Speed-8K')"
    after, messages = migrated(f"from qianfan.trainer import LLMFinetune\n{code}")
    assert (code in after, messages) == (True, {"note": [], "manual": []})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("qianfan.Plugin()", "plugins ended"),
        ("qianfan.ChatCompletion(endpoint='abc')", "deploy its model again"),
        ("qianfan.AK('x')", "create an API key"),
        ("qianfan.ChatCompletion(ak='x')", "create an API key"),
        ("os.environ['QIANFAN_SK'] = key", "create an API key"),
        ("config = qianfan.get_config()\nconfig.ACCESS_TOKEN = x", "create an API key"),
        ("key('bce-v3/ALTAK-test0000/0123456789abcdef', api_key)", "a key is written here"),
    ],
)
def test_what_the_user_has_to_do_is_said(migrated, code, expected):
    _, messages = migrated(f"import qianfan\n{code}")
    assert any(expected in message for message in messages["manual"])


@pytest.mark.parametrize(
    "code",
    ["qianfan.get_config().ACCESS_KEY = 'your_access_key_1'", "os.environ['QIANFAN_ACCESS_KEY']"],
)
def test_placeholders_and_keys_of_today_need_nothing(migrated, code):
    assert migrated(f"import qianfan\n{code}")[1] == {"note": [], "manual": []}


def test_an_option_without_meaning_on_v2_is_a_note(migrated):
    call = (
        "qianfan.ChatCompletion().do(x, system_memory_id='s', user_id='u', functions=[], "
        "temperature=1)"
    )
    _, messages = migrated(f"import qianfan\n{call}")
    assert messages["note"] == [
        "system_memory_id= is an option of v1 that v2 does not have: it is not sent"
    ]


def test_the_options_that_are_not_noted_are_those_that_v2_is_told_in_its_words(recwarn):
    values = {"functions": [{"name": "f"}], "function_call": "auto", "disable_search": False}
    dropped = {name for name in V1_ONLY if not to_v2_options({name: values.get(name, 1)})}
    assert dropped == V1_ONLY - TRANSLATED


def test_a_setting_that_qfnb_does_not_have_is_named(migrated):
    _, messages = migrated(
        "import os, qianfan\nos.environ['QIANFAN_WRONG'] = '1'\nqianfan.get_config().WRONG = 1"
    )
    assert messages["note"] == [
        "QIANFAN_WRONG: qfnb has no such setting",
        "WRONG: qfnb has no such setting",
    ]


def test_magics_stay_and_the_python_around_them_is_rewritten(notebook):
    first = (
        "%matplotlib inline\n!ls \\\n  -l\nimport qianfan\nfiles = !ls\nif 1:\n    %time x = "
        "qianfan.Dataset\nqianfan?\ns = '''\n%no magic\n'''"
    )
    cells, _ = notebook(first, "%%time\nqianfan.Dataset.load", "%%bash\necho qianfan.Dataset")
    assert cells[0] == first.replace("qianfan", "qfnb").replace("qfnb?", "qianfan?")
    assert cells[1:] == ["%%time\nqfnb.Dataset.load", "%%bash\necho qianfan.Dataset"]


def test_a_cell_that_is_no_python_stays_and_is_named(notebook):
    cells, migration = notebook("import qianfan", "qianfan.(")
    assert cells == ["import qfnb", "qianfan.("]
    assert migration.findings[1][0] == 2
    assert "no valid Python" in migration.findings[1][3]


def test_a_notebook_keeps_the_form_of_its_file(tmp_path):
    path = tmp_path / "a.ipynb"
    cell = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "source": ["import qianfan\n", "'字'"],
    }
    text = (
        json.dumps({"nbformat": 4, "cells": [cell], "metadata": {}}, ensure_ascii=False, indent=2)
        + "\n"
    )
    path.write_text(text, encoding="utf-8")
    assert migrate(path).content.decode() == text.replace("qianfan", "qfnb")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"", "must be a module"),
        ("none.py", None, "cannot be read"),
        ("a.py", b"import qianfan\nx = (", "a.py, line 2: no valid Python"),
        ("a.py", b"x = '\xff'", "no valid Python"),
        ("a.ipynb", b"{", "cannot be read"),
        ("a.ipynb", b"[]", "is no notebook of format 4"),
        ("a.ipynb", b'{"nbformat": 3, "worksheets": []}', "is no notebook of format 4"),
    ],
)
def test_what_is_no_module_or_notebook_is_refused(tmp_path, name, content, expected):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidArgumentError, match=expected):
        migrate(tmp_path / name)
