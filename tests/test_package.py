"""The package: its exports, and what importing it loads."""

import importlib
import json
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import qfnb
from qfnb.dataset import samples

ROOT = Path(__file__).parents[1]

HEAVY = (
    "pandas",
    "matplotlib",
    "ipywidgets",
    "IPython",
    "httpx",
    "pydantic",
    "numpy",
    "scipy",
    "aiohttp",
)


def loaded_after(statement):
    code = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


def test_import_loads_nothing_heavy():
    assert not loaded_after("import qfnb") & set(HEAVY)


def test_the_command_line_asks_and_shows_without_ipython():
    statement = "import qfnb.notebook.chat_run, qfnb.cli.chat"
    assert not loaded_after(statement) & {"IPython", "ipywidgets", "pandas", "matplotlib"}


def test_chat_loads_no_frames_and_no_drawing():
    assert not loaded_after("from qfnb import ChatCompletion") & {
        "pandas",
        "matplotlib",
        "ipywidgets",
        "IPython",
        "numpy",
    }


def test_reports_need_no_scipy():
    statement = (
        "from qfnb.evaluation.stats import significance as s; "
        "t = s.describe_pairs(s.pair_scores([0.1] * 20, [0.1 * n for n in range(20)], [n % 9 for "
        "n in range(20)])); "
        "t.needed, t.detectable, t.interval"
    )
    assert "scipy" not in loaded_after(statement)


def test_every_exported_name_exists():
    assert [name for name in qfnb.__all__ if getattr(qfnb, name, None) is None] == []


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


def test_submodules_are_attributes_after_one_import():
    code = """if True:
        import qfnb as qianfan
        for path in "resources.console.finetune utils version client consts common.prompt trainer.event doctor".split():
            assert path.partition(".")[0] in dir(qianfan), path
            assert eval(f"qianfan.{path}").__name__ == f"qfnb.{path}"
        try:
            qianfan.ChatCompletion().do([{"role": "user"}])
        except qianfan.errors.QianfanError:
            qianfan.config.get_config()
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_name_that_tab_offers_can_be_had():
    assert [name for name in dir(qfnb) if not hasattr(qfnb, name)] == []
    assert not {"doctor", "errors"} & set(qfnb.__all__)


CONDA_NAMES = {"matplotlib": "matplotlib-base", "docstring-parser": "docstring_parser"}


def test_the_conda_recipe_says_what_pyproject_says():
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = [re.match(r"[\w-]+", line)[0] for line in project["dependencies"]]
    versions = [
        line.removeprefix(name) for name, line in zip(names, project["dependencies"], strict=True)
    ]
    wanted = {
        f"{CONDA_NAMES.get(name, name)} {version}"
        for name, version in zip(names, versions, strict=True)
    }
    assert set(recipe["requirements"]["run"]) == wanted | {"python >=${{ python_min }}"}
    assert recipe["context"] == {
        "version": project["version"], "python_min": project["requires-python"].removeprefix(">=")
    }  # fmt: skip
    scripts = {f"{name} = {target}" for name, target in project["scripts"].items()}
    assert set(recipe["build"]["python"]["entry_points"]) == scripts


def test_the_install_of_the_readme_can_write_reports_for_excel():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    assert 'pip install ".[lab]"' in (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(extras["excel"]) <= set(extras["lab"])


def test_the_description_of_the_package_has_no_picture_and_no_link_of_the_repository():
    hook = runpy.run_path(str(ROOT / "hatch_build.py"))["Description"]
    metadata = {}
    hook(str(ROOT), {}).update(metadata)
    text = metadata["readme"]["text"]
    assert re.findall(r"\]\((?!https?:)", text) == []
    assert len(text) > 4000


def test_an_install_has_the_compiled_catalogues_only_and_the_sources_have_no_screens(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", tmp_path],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with (
        zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel,
        tarfile.open(next(tmp_path.glob("*.tar.gz"))) as sources,
    ):
        installed = wheel.namelist()
        sent = sources.getnames()
    assert [Path(name).suffix for name in installed if "/LC_MESSAGES/" in name] == [".mo"]
    assert [name for name in sent if "/screens/" in name] == []


def test_the_tested_versions_are_not_below_the_declared_ones():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = {
        canonicalize_name(name): version for name, version in (line.split("==") for line in lines)
    }
    declared = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    requirements = [Requirement(line) for line in declared]
    assert {
        canonicalize_name(needed.name) for needed in map(Requirement, project["dependencies"])
    } <= {*tested}
    pinned = [needed for needed in requirements if canonicalize_name(needed.name) in tested]
    assert [
        str(needed)
        for needed in pinned
        if tested[canonicalize_name(needed.name)] not in needed.specifier
    ] == []


def test_a_wheel_has_the_sample_rows_of_the_notebooks():
    included = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"][
        "targets"
    ]["wheel"]
    for name in (samples.TRAIN_FILE, samples.HELD_OUT_FILE):
        path = samples._PACKAGED / name
        assert (
            included["force-include"][f"notebooks/data/{name}"] == path.relative_to(ROOT).as_posix()
        )
        assert (samples._IN_CLONE / name).exists()
