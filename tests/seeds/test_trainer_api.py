"""Every name and signature of seed 004, read from its text: a name that is there and not here
fails.
"""

import ast
import importlib
import inspect
import re

import pytest
from support import seeds

CLASS = re.compile(r"^- class (qianfan\.[\w.]+)\.(\w+)(\(.*\))?\[source\]$")
MEMBER = re.compile(
    r"^- (?:abstract )?(?:property )?(\w+)(\(.*?\))?(?: ?(?:->|→).*|\[source\]|:.*| =.*)?$"
)
FUNCTION = re.compile(r"^- (qianfan\.[\w.]+)\.(\w+)(\(.*\)).*$")
WORDS = {
    "input",
    "output",
    "Parameters",
    "Returns",
    "Raises",
    "Args",
    "Optional",
    "Union",
    "Trainer",
    "LLMFinetune",
}
OF_PYDANTIC = {"model_config", "model_fields"}


def names():
    """Yield (module, class or "", member or "", parameters or None) for all that the seed
    declares.
    """
    owner = None
    for line in seeds.read_seed("004-trainer-api.md").splitlines():
        if match := CLASS.match(line):
            owner = match[1], match[2]
            yield (*owner, "", match[3])
        elif (match := FUNCTION.match(line)) and not line.startswith("- class"):
            owner = None
            yield match[1], match[2], "", match[3]
        elif owner and (match := MEMBER.match(line)) and match[1] not in WORDS:
            yield (*owner, match[1], match[2])


def parameters(text):
    """Return [(name, keyword only?, default)] of a signature as the seed writes it."""
    without = re.sub(r"→.*|\[source\]", "", text).strip()
    node = ast.parse(f"def f{without}: ...").body[0].args
    no_defaults = [None] * (len(node.args) - len(node.defaults))
    arguments = [
        (a.arg, False, d) for a, d in zip(node.args, [*no_defaults, *node.defaults], strict=True)
    ]
    return arguments + [
        (a.arg, True, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True)
    ]


@pytest.fixture(scope="module", autouse=True)
def mode():
    """Names are the same in every mode, and need no sandbox."""


CASES = list(dict.fromkeys(names())) if (seeds.FOLDER / "004-trainer-api.md").is_file() else []
WITHOUT_SEED = [
    pytest.param(None, marks=pytest.mark.skip("the seeds are not beside the project"), id="none")
]


def test_the_seed_is_read():
    seeds.read_seed("004-trainer-api.md")
    assert len({case[:2] for case in CASES}) == 32
    assert ("qianfan.trainer.actions", "TrainAction") in {case[:2] for case in CASES}
    assert len(CASES) == 115


@pytest.mark.parametrize(
    "case",
    CASES or WITHOUT_SEED,
    ids=lambda case: ".".join(filter(None, (case[0][8:], case[1], case[2]))),
)
def test_it_is_there_with_its_signature(case):
    module, name, member, signature = case
    actual = getattr(importlib.import_module(module.replace("qianfan", "qfnb")), name)
    if member in OF_PYDANTIC:
        return
    if member:
        instance = getattr(actual, "model_fields", {}) or {}
        assert hasattr(actual, member) or member in instance or member in set_in_init(actual), (
            member
        )
        actual = getattr(actual, member, None)
    if (
        signature
        and actual is not None
        and not (inspect.isclass(actual) and issubclass(actual, str))
    ):
        agrees(actual, parameters(signature))


def set_in_init(kind):
    """Return the attributes that a class, or one that it is made of, gives its instances."""
    sources = [
        inspect.getsource(base) for base in kind.__mro__ if base.__module__.startswith("qfnb")
    ]
    lists = [re.findall(r"((?:self\.\w+, )*self\.\w+)(?:: [^=\n]+)? = ", text) for text in sources]
    attributes = {
        name for found in lists for row in found for name in re.findall(r"self\.(\w+)", row)
    }
    return attributes | {
        name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})
    }


def agrees(actual, expected):
    """Fail unless all that the seed passes can be passed here, under its name and in its place."""
    if hasattr(actual, "model_fields"):
        assert {name for name, _, _ in expected} <= set(actual.model_fields)
        return
    parameters = list(inspect.signature(actual).parameters.values())
    parameters = [row for row in parameters if row.name != "self"]
    takes_any = any(row.kind is row.VAR_KEYWORD for row in parameters)
    for index, (name, keyword, default) in enumerate(expected):
        parameter = next((row for row in parameters if row.name == name), None)
        assert parameter is not None or takes_any, f"{name} is missing"
        if parameter is None:
            continue
        assert keyword or parameters[index].name == name, f"{name} is argument {index} in the seed"
        if isinstance(default, ast.Constant):
            assert parameter.default == default.value, f"{name}={default.value!r} in the seed"
