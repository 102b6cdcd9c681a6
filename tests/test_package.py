"""The package: its exports, and what importing it loads."""

import importlib
import json
import subprocess
import sys

import pytest

import qfnb

HEAVY = ("pandas", "matplotlib", "ipywidgets", "IPython", "httpx", "pydantic", "numpy", "scipy", "aiohttp")


def loaded_after(statement):
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_import_loads_nothing_heavy():
    assert not loaded_after("import qfnb") & set(HEAVY)


def test_chat_loads_no_frames_and_no_drawing():
    assert not loaded_after("from qfnb import ChatCompletion") & {
        "pandas",
        "matplotlib",
        "ipywidgets",
        "IPython",
        "numpy",
    }


@pytest.mark.parametrize("name", qfnb.__all__)
def test_every_exported_name_exists(name):
    assert getattr(qfnb, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        qfnb.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "path",
    [
        "resources", "resources.console.consts", "model", "model.consts", "dataset", "evaluation", "evaluation.evaluator",
        "trainer", "trainer.actions", "trainer.base", "trainer.configs", "trainer.consts", "trainer.event",
        "trainer.finetune", "trainer.model",
    ],
)  # fmt: skip
def test_the_seeds_import_paths_exist(path):
    assert importlib.import_module(f"qfnb.{path}")
