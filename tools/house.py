"""Measure the size and density of Python packages: house.py [--check] PACKAGE...

One line a figure, several packages together. `--check` fails when a figure is above its limit: a change that
needs a higher one says in its commit what it adds.

tokens: names, numbers, operators and literals without docstrings and comments: packing lines does not change them.
packed: assignments of a tuple display to a tuple of targets, as share of all assignments.
ternaries, comprehensions: per 1,000 code lines (no docstrings, blanks, comments).
used once: module-private functions and methods referenced once in the package, as share of all of them.
two meanings: public classes and module-level aliases defined under one name in several modules.
filler: assigned names and functions that are bare participles or filler.
"""

import ast
import collections
import io
import pathlib
import re
import sys
import tokenize

FILLER = set(
    "found given known made asked said wanted shown told kept taken named held meant seen left gone lost done drawn listed counted written read spent noted "
    "ended begun began moved stopped missed fitted fetched opened closed joined checked filled numbered called added typed mixed cut marked lasting fresh few "
    "most least place moment many twice once alike near far own other another again whole part some rest more way word words whose who about under beside "
    "aside below over".split()
)
LIMITS = {
    "files": 306,
    "tokens": 467_000,
    "packed assignments %": 0.1,
    "ternaries per 1,000": 12.6,
    "comprehensions per 1,000": 25.8,
    "public classes with two meanings": 8,
    "filler names %": 1.9,
    "filler functions %": 0.8,
    "functions over 60 lines": 0,
    "code lines over 100 characters %": 0.2,
}
"""The figures of the package as reached; tokens a code line are `tokens` by `code lines`."""

SKIP = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def docstring_lines(tree):
    """Return the numbers of the lines of docstrings, of modules, classes, functions and attributes."""
    lines = set()
    for node in ast.walk(tree):
        for statement in (
            getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []
        ):
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                lines.update(range(statement.lineno, statement.end_lineno + 1))
    return lines


def measure(roots):
    """Return the figures of the packages as a dict."""
    figures = collections.Counter()
    private, references, names = {}, collections.Counter(), collections.defaultdict(set)
    for root in roots:
        for path in sorted(pathlib.Path(root).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            tree, lines = ast.parse(source), source.splitlines()
            documented = docstring_lines(tree)
            code = [
                n
                for n, line in enumerate(lines, 1)
                if line.strip() and n not in documented and not line.lstrip().startswith("#")
            ]
            figures["files"] += 1
            figures["lines"] += len(lines)
            figures["code lines"] += len(code)
            figures["long"] += sum(len(lines[n - 1]) > 100 for n in code)
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                if token.type not in SKIP and token.start[0] not in documented:
                    figures["tokens"] += 1
            references.update(re.findall(r"\b_[A-Za-z]\w*", source))
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    names[node.name].add(str(path))
            for node in ast.walk(tree):
                if isinstance(node, ast.Assign):
                    figures["assignments"] += 1
                    figures["packed"] += isinstance(node.value, ast.Tuple) and any(
                        isinstance(t, ast.Tuple) for t in node.targets
                    )
                elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                    figures["assignments"] += 1
                elif isinstance(node, ast.IfExp):
                    figures["ternaries"] += 1
                elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                    figures["comprehensions"] += 1
                elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    figures["functions"] += 1
                    figures["filler functions"] += node.name.strip("_") in FILLER
                    figures["functions over 60"] += (
                        node.end_lineno
                        - node.lineno
                        + 1
                        - len(
                            [n for n in range(node.lineno, node.end_lineno + 1) if n in documented]
                        )
                        > 60
                    )
                    if node.name.startswith("_") and not node.name.startswith("__"):
                        private[node.name] = private.get(node.name, 0) + 1
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    figures["names"] += 1
                    figures["filler names"] += node.id in FILLER
    once = sum(1 for name, defined in private.items() if references[name] - defined <= 1)
    per = figures["code lines"] / 1000 or 1
    return {
        "files": figures["files"],
        "lines": figures["lines"],
        "code lines": figures["code lines"],
        "tokens": figures["tokens"],
        "packed assignments %": round(100 * figures["packed"] / max(figures["assignments"], 1), 1),
        "ternaries per 1,000": round(figures["ternaries"] / per, 1),
        "comprehensions per 1,000": round(figures["comprehensions"] / per, 1),
        "private used once %": round(100 * once / max(len(private), 1)),
        "public classes with two meanings": sum(len(places) > 1 for places in names.values()),
        "filler names %": round(100 * figures["filler names"] / max(figures["names"], 1), 1),
        "filler functions %": round(
            100 * figures["filler functions"] / max(figures["functions"], 1), 1
        ),
        "functions over 60 lines": figures["functions over 60"],
        "code lines over 100 characters %": round(
            100 * figures["long"] / max(figures["code lines"], 1), 1
        ),
    }


def main(arguments):
    """Print the figures; return 1 when one is checked and above its limit."""
    figures = measure([argument for argument in arguments if argument != "--check"])
    excesses = 0
    for name, value in figures.items():
        limit = LIMITS.get(name)
        excess = limit is not None and value > limit
        excesses += excess
        print(f"{name:36}{value:>12,}{f'  of at most {limit:,}' if excess else ''}")
    return int("--check" in arguments and excesses > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
