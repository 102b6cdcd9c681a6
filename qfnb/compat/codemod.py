"""Code written for the official SDK becomes code for qfnb: a LibCST codemod, which keeps comments
and formatting.
"""

import ast
import importlib
import re
from functools import cache
from typing import Any, Final, NamedTuple

import libcst as cst
from libcst.metadata import (
    MetadataWrapper,
    PositionProvider,
    QualifiedNameProvider,
    QualifiedNameSource,
)

from .. import config
from ..base.language import tr, tr_noop
from ..redact import register_secret
from ..resources.inference.model_choice import NO_V1, V1_ENDED
from ..resources.inference.v1_words import V1_ONLY
from ..wire import catalog

SDK: Final = "qianfan"

KINDS: Final[dict[str, catalog.ModelKind]] = {
    "AsyncQianfan": "chat", "ChatCompletion": "chat", "Completion": "completion",
    "Embedding": "embedding", "Image2Text": "image2text", "Qianfan": "chat",
    "Reranker": "reranker", "Text2Image": "text2image",
}  # fmt: skip
"""Classes that ask a model -> the kind of model."""

ENDED_CLASSES: Final = {
    ("Plugin", ""): tr_noop(
        "plugins ended with v1 on {date}: ChatCompletion takes tools= and web_search="
    ),
    ("Tokenizer", "count_tokens"): tr_noop(
        "remote counting ended with v1 on {date}: mode='local' counts without a call"
    ),
}

_RERANKER: Final = ("", "", "top_n", "model", "endpoint")

POSITIONS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("ChatCompletion", ""): ("version",),
    ("Model", ""): ("set_id", "id", "task_id", "job_id", "name"),
    ("Reranker", "do"): _RERANKER,
    ("Reranker", "ado"): _RERANKER,
}
"""Class and method -> the SDK's arguments by position, where qfnb has others there."""

TRANSLATED: Final = frozenset(
    ["disable_search", "enable_citation", "enable_trace", "function_call", "functions",
     "max_output_tokens", "user_id"]
)  # fmt: skip
"""Options of v1 for which v2 has words of its own."""

ALTERNATIVES: Final = {
    f"{SDK}.extensions": tr_noop(
        "the platform speaks OpenAI's protocol at https://qianfan.baidubce.com/v2: use OpenAI's "
        "client"
    ),
    f"{SDK}.common.cli": tr_noop("`qfnb --help` lists the commands"),
    f"{SDK}.common.tool": tr_noop(
        "any function with a docstring is a tool: ChatCompletion(tools=[...])"
    ),
}
"""Modules that qfnb does not have -> what to use instead."""

_METHODS: Final = frozenset(["do", "ado", "batch_do", "abatch_do", "create"])

V1_SETTINGS: Final = frozenset(["ACCESS_TOKEN", "AK", "SK"])
VARIABLE: Final = re.compile(r"\bQIANFAN_([A-Z0-9_]+)")
_KEY_NAME: Final = re.compile(
    r"(?i)(?<![a-z])(access_?key|secret_?key|api_?key|bearer_?token|access_?token|ak|sk)(?![a-z])"
)
_KEY: Final = re.compile(
    r"""(?<=['"=\s])(?=[\w/.-]*\d)(?![\w-]*(?:your|xxx))(?:bce-v3/)?[A-Za-z0-9][\w/.-]{15,}"""
)
"""A text that may be a key, and no placeholder such as "your-key" or "..."."""


class Finding(NamedTuple):
    """Something to say about a line: what the copy has differently ("changed"), what runs but acts
    differently ("note"), or what the user has to do ("manual").
    """

    line: int
    kind: str
    message: str


def rewrite(text: str) -> tuple[str, list[Finding]]:
    """Return a module's text for qfnb, and what there is to say about it.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = ast.parse(text)
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
    codemod = _Codemod(is_name_taken=bool(names & {SDK, "qfnb"}))
    wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
    after = wrapper.visit(codemod).code
    if not codemod.uses_sdk:
        return text, []
    for number, line in enumerate(text.split("\n"), 1):
        codemod.findings += find_keys(number, line)
    return after, sorted(dict.fromkeys(codemod.findings), key=lambda finding: finding.line)


def find_keys(number: int, line: str) -> list[Finding]:
    """Return the finding of a line with a key, which is hidden from now on where anything is
    printed.
    """
    keys = _KEY.findall(line) if _KEY_NAME.search(line) else []
    for key in keys:
        register_secret(key)
    message = tr(
        "a key is written here, for everyone who gets the file: put it into the environment or "
        "into `%qfauth set --keep`, and make a new one"
    )
    if keys:
        return [Finding(number, "manual", message)]
    return []


def find_setting(line: int, setting: str, name: str) -> list[Finding]:
    """Return the finding about a setting, whose name in upper case is `setting`."""
    if setting in V1_SETTINGS:
        return [Finding(line, "manual", tr(NO_V1))]
    if hasattr(config.get_config(), setting):
        return []
    return [Finding(line, "note", tr("{name}: qfnb has no such setting", name=name))]


@cache
def has_name(path: str) -> bool:
    """Return whether qfnb has a dotted name of the SDK, as a module or within one."""
    dotted, *names = f"qfnb{path.removeprefix(SDK)}".split(".")
    value: Any = importlib.import_module(dotted)
    for name in names:
        dotted = f"{dotted}.{name}"
        try:
            value = getattr(value, name, None) or importlib.import_module(dotted)
        except ImportError:
            return False
    return True


def _dotted(node: cst.CSTNode | None) -> str:
    """Return a dotted name as it is written, "" or ".name" for what is none."""
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    if isinstance(node, cst.Name):
        return node.value
    return ""


def _parse(dotted: str) -> Any:
    return cst.parse_expression(dotted)


def _text_of(node: cst.BaseExpression) -> str:
    """Return the value of a text that is written as one, "" of anything else."""
    value = getattr(node, "evaluated_value", "")
    return value if isinstance(value, str) else ""


class _Codemod(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (QualifiedNameProvider, PositionProvider)

    def __init__(self, *, is_name_taken: bool) -> None:
        self.is_name_taken = is_name_taken
        self.findings: list[Finding] = []
        self.uses_sdk = False
        self._instances: dict[str, str] = {}
        self._inner: set[cst.CSTNode] = set()

    def _path_of(self, node: cst.CSTNode) -> str:
        """Return the SDK's dotted name that an expression stands for, "" for anything else."""
        if _dotted(node)[:1] in {"", "."}:
            return ""  # an attribute of something that was called
        for name in self.get_metadata(QualifiedNameProvider, node, set()):
            is_import = name.source is QualifiedNameSource.IMPORT
            if is_import and name.name.split(".")[0] == SDK:
                return name.name
        return ""

    def _line_of(self, node: cst.CSTNode) -> int:
        return int(self.get_metadata(PositionProvider, node).start.line)

    def _say(self, node: cst.CSTNode, kind: str, message: str) -> None:
        self.findings.append(Finding(self._line_of(node), kind, message))

    def _say_becomes(self, node: cst.CSTNode, old: str) -> str:
        """Say that a module of the SDK becomes one of qfnb; return its name."""
        self.uses_sdk = True
        new = f"qfnb{old.removeprefix(SDK)}"
        self._say(node, "changed", tr("{old} becomes {new}", old=old, new=new))
        return new

    def _say_missing(self, node: cst.CSTNode, path: str) -> None:
        message = tr(
            "qfnb has no {path}: this stays with the SDK, which must remain installed", path=path
        )
        self.uses_sdk = True
        for prefix, advice in ALTERNATIVES.items():
            if f"{path}.".startswith(f"{prefix}."):
                message = tr("; ").join([message, tr(advice)])
        self._say(node, "manual", message)

    def visit_Assign(self, node: cst.Assign) -> None:
        """Note which names are instances of the SDK's classes."""
        if isinstance(node.value, cst.Call) and (path := self._path_of(node.value.func)):
            for target in node.targets:
                self._instances[_dotted(target.target)] = path.rpartition(".")[2]

    def visit_Attribute(self, node: cst.Attribute) -> None:
        """Name an attribute of the package that qfnb does not have."""
        self._inner.add(node.value)
        path = self._path_of(node)
        if node in self._inner or not path or has_name(path):
            return
        root: cst.BaseExpression = node
        while isinstance(root, cst.Attribute):
            root = root.value
        if has_name(self._path_of(root)):  # a name that is missing itself is said at its import
            self._say_missing(node, path)

    def leave_Import(self, original_node: cst.Import, updated_node: cst.Import) -> cst.Import:
        """Rewrite `import qianfan.x`."""
        aliases = []
        for alias in original_node.names:
            old = _dotted(alias.name)
            if old.split(".")[0] != SDK:
                aliases.append(alias)
            elif not has_name(old):
                self._say_missing(original_node, old)
                aliases.append(alias)
            else:
                renamed = alias.with_changes(name=_parse(self._say_becomes(original_node, old)))
                if self.is_name_taken and alias.asname is None:
                    renamed = renamed.with_changes(asname=cst.AsName(cst.Name(SDK)))
                aliases.append(renamed)
        return updated_node.with_changes(names=aliases)

    def leave_ImportFrom(self, original_node: cst.ImportFrom, updated_node: cst.ImportFrom) -> Any:
        """Rewrite `from qianfan.x import y`, unless qfnb lacks one of the names."""
        module = _dotted(original_node.module)
        if original_node.relative or module.split(".")[0] != SDK:
            return original_node
        paths = [module]
        if not isinstance(original_node.names, cst.ImportStar):
            paths += [f"{module}.{_dotted(alias.name)}" for alias in original_node.names]
        for path in paths:
            if not has_name(path):
                self._say_missing(original_node, path)
                return original_node
        return updated_node.with_changes(module=_parse(self._say_becomes(original_node, module)))

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        """Rename `qianfan`, where it is the package."""
        is_module = original_node.value == SDK and self._path_of(original_node) == SDK
        if is_module and not self.is_name_taken:
            return updated_node.with_changes(value="qfnb")
        return updated_node

    def _class_of(self, call: cst.Call) -> tuple[str, str]:
        """Return the class of a call, "" if it is not clear, and the method, "" for the class."""
        if path := self._path_of(call.func):
            return path.rpartition(".")[2], ""
        if not isinstance(call.func, cst.Attribute):
            return "", ""
        receiver: cst.BaseExpression = call.func.value
        instances = self._instances
        while isinstance(receiver, cst.Attribute) and _dotted(receiver) not in instances:
            receiver = receiver.value  # client.chat.completions.create
        return self._maker_of(receiver), call.func.attr.value

    def _maker_of(self, node: cst.BaseExpression) -> str:
        """Return the class or function of the SDK that made a value, "" if it is not clear."""
        if isinstance(node, cst.Call):
            return self._path_of(node.func).rpartition(".")[2]
        return self._instances.get(_dotted(node), "")

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        """Rewrite the arguments of a call."""
        class_name, method = self._class_of(original_node)
        path = self._path_of(original_node.func)
        args = list(updated_node.args)
        positions = POSITIONS.get((class_name, method), ())
        is_other_model = class_name == "Model" and not path.startswith(f"{SDK}.model")
        if not is_other_model and not any(argument.star for argument in args):
            for index, name in enumerate(positions[: len(args)]):
                if name and args[index].keyword is None:
                    none = cst.SimpleWhitespace("")
                    equal = cst.AssignEqual(whitespace_before=none, whitespace_after=none)
                    args[index] = args[index].with_changes(keyword=cst.Name(name), equal=equal)
                    message = tr(
                        "{name}= is named, since its position is another in qfnb", name=name
                    )
                    self._say(original_node, "changed", message)
        is_inference = class_name in KINDS or (not class_name and method in _METHODS)
        for index, argument in enumerate(args):
            name = argument.keyword.value if argument.keyword else ""
            value = original_node.args[index].value
            if path and name.upper() in V1_SETTINGS:
                self._say(value, "manual", tr(NO_V1))
            if is_inference and name:
                new = self._review_argument(class_name, name, value)
                args[index] = argument if new is None else argument.with_changes(value=new)
        if path in {f"{SDK}.AK", f"{SDK}.SK", f"{SDK}.AccessToken"}:
            self._say(original_node, "manual", tr(NO_V1))
        is_local = any(_text_of(argument.value) == "local" for argument in args)
        if (ended := ENDED_CLASSES.get((class_name, method))) and not is_local:
            self._say(original_node, "manual", tr(ended, date=V1_ENDED))
        return updated_node.with_changes(args=args)

    def _review_argument(self, class_name: str, name: str, value: Any) -> Any:
        """Say what there is to say about an argument; return its new value, None for none."""
        if name == "model":
            return self._replace_model(value, KINDS.get(class_name))
        if name == "version" and getattr(value, "evaluated_value", None) in {1, "1"}:
            message = tr(
                "version 1 of the inference API ended on {date}: version 2 is asked", date=V1_ENDED
            )
            self._say(value, "changed", message)
            return _replace(value, "1", "2")
        if class_name in {"ChatCompletion", "Completion"} and name in V1_ONLY - TRANSLATED:
            message = tr(
                "{name}= is an option of v1 that v2 does not have: it is not sent", name=name
            )
            self._say(value, "note", message)
        if name == "endpoint" and class_name:
            message = tr(
                "a service that was deployed for v1 has not answered since {date}: deploy its "
                "model again and name the new endpoint",
                date=V1_ENDED,
            )
            self._say(value, "manual", message)
        return None

    def _replace_model(self, value: Any, kind: catalog.ModelKind | None) -> Any:
        name = _text_of(value)
        row = catalog.find_model(kind, name) or catalog.find_model(None, name)
        if not name or row is None or row.status != "retired":
            return None
        ended = tr("{name} has ended", name=name)
        if row.ended:
            ended = tr("{name} ended {ended}", name=name, ended=row.ended)
        replacement = catalog.living_replacement(row.kind, name)
        if replacement is None or name not in value.value:
            self._say(value, "manual", tr("{ended}: name another model", ended=ended))
            return None
        message = tr("{ended}: {replacement} is asked", ended=ended, replacement=replacement.id)
        if row.kind == "embedding":
            message = tr(
                "{message}; its vectors are different: embed again what you have stored",
                message=message,
            )
        self._say(value, "changed", message)
        return _replace(value, name, replacement.id)

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Say what there is to say about a setting."""
        text = _text_of(node)
        if match := VARIABLE.fullmatch(text):
            self.findings += find_setting(self._line_of(node), match[1], text)

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        """Say what an attribute of the configuration is, where it is set."""
        if not isinstance(node.target, cst.Attribute):
            return
        if self._maker_of(node.target.value) == "get_config":
            name = node.target.attr.value
            self.findings += find_setting(self._line_of(node.target), name.upper(), name)


def _replace(node: Any, old: str, new: str) -> Any:
    """Return a literal with a text in it replaced."""
    return node.with_changes(value=node.value.replace(old, new, 1))
