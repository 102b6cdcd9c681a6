"""Every name and signature of seed 004, read from its text: a name that is there and not here fails."""

import ast
import importlib
import inspect
import re

import pytest
from support import seeds

CLASS = re.compile(r"^- class (qianfan\.[\w.]+)\.(\w+)(\(.*\))?\[source\]$")
MEMBER = re.compile(r"^- (?:abstract )?(?:property )?(\w+)(\(.*?\))?(?: ?(?:->|→).*|\[source\]|:.*| =.*)?$")
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
    """Yield (module, class or "", member or "", parameters or None) for all that the seed declares."""
    owner = None
    for line in seeds.text("004-trainer-api.md").splitlines():
        if found := CLASS.match(line):
            owner = found[1], found[2]
            yield (*owner, "", found[3])
        elif (found := FUNCTION.match(line)) and not line.startswith("- class"):
            owner = None
            yield found[1], found[2], "", found[3]
        elif owner and (found := MEMBER.match(line)) and found[1] not in WORDS:
            yield (*owner, found[1], found[2])


def parameters(text):
    """Return [(name, keyword only?, default)] of a signature as the seed writes it."""
    without = re.sub(r"→.*|\[source\]", "", text).strip()
    node = ast.parse(f"def f{without}: ...").body[0].args
    lacking = [None] * (len(node.args) - len(node.defaults))
    found = [(a.arg, False, d) for a, d in zip(node.args, [*lacking, *node.defaults], strict=True)]
    return found + [(a.arg, True, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True)]


CASES = list(dict.fromkeys(names())) if (seeds.FOLDER / "004-trainer-api.md").is_file() else []


def test_the_seed_is_read():
    seeds.text("004-trainer-api.md")
    assert len({case[:2] for case in CASES}) == 32
    assert ("qianfan.trainer.actions", "TrainAction") in {case[:2] for case in CASES}
    assert len(CASES) == 115


@pytest.mark.parametrize(
    "case", CASES, ids=lambda case: ".".join(filter(None, (case[0][8:], case[1], case[2])))
)
def test_it_is_there_with_its_signature(case):
    module, name, member, given = case
    found = getattr(importlib.import_module(module.replace("qianfan", "qfnb")), name)
    if member in OF_PYDANTIC:
        return
    if member:
        instance = getattr(found, "model_fields", {}) or {}
        assert hasattr(found, member) or member in instance or member in set_in_init(found), member
        found = getattr(found, member, None)
    if given and found is not None and not (inspect.isclass(found) and issubclass(found, str)):
        agrees(found, parameters(given))


def set_in_init(kind):
    """Return the attributes that a class, or one that it is made of, gives its instances."""
    sources = [inspect.getsource(base) for base in kind.__mro__ if base.__module__.startswith("qfnb")]
    lists = [re.findall(r"((?:self\.\w+, )*self\.\w+)(?:: [^=\n]+)? = ", text) for text in sources]
    own = {name for found in lists for row in found for name in re.findall(r"self\.(\w+)", row)}
    return own | {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}


def agrees(found, wanted):
    """Fail unless all that the seed passes can be passed here, under its name and in its place."""
    if hasattr(found, "model_fields"):
        assert {name for name, _, _ in wanted} <= set(found.model_fields)
        return
    own = list(inspect.signature(found).parameters.values())
    own = [row for row in own if row.name != "self"]
    takes_any = any(row.kind is row.VAR_KEYWORD for row in own)
    for place, (name, keyword, default) in enumerate(wanted):
        here = next((row for row in own if row.name == name), None)
        assert here is not None or takes_any, f"{name} is missing"
        if here is None:
            continue
        assert keyword or own[place].name == name, f"{name} is argument {place} in the seed"
        if isinstance(default, ast.Constant):
            assert here.default == default.value, f"{name}={default.value!r} in the seed"
