"""Multiple choice: which letters an answer chooses, in Chinese or English, and whether they are the
right ones.

The text is cut into words that matter here; letters that belong together are one mention, and the
words beside
a mention say what is meant: "选 B", "B 正确", "排除 B", "not B", "B or C". What can be read in two
ways is no choice.
"""

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NamedTuple, cast


class Token(NamedTuple):
    """A word of some kind: "letters", one of `_WORDS`, or "text" for all else.

    Attributes:
        is_at_line_start: letters that begin a line and are not the beginning of its first word.
        is_label: letters before an option's text, "B. Paris".
    """

    kind: str
    text: str
    is_at_line_start: bool = False
    is_label: bool = False


_IS_NEXT = r"(?=\s*(?:应该|应当|应|就)?\s*(?:是|有|为|:|\())"
_WORDS: Final[Sequence[tuple[str, ...]]] = (
    (
        "skip",
        r"\A\s*<think>.*?</think>",
        r"\\(?:text|mathrm|mathbf)\s*\{|\\[()\[\]]",
        r"\b(?:all|none) of the above\b",
    ),
    ("answer", r"\\boxed\s*\{"),
    (
        "doubt",
        "是不是|是否|不能排除|不可排除|无法排除|没有排除|不知道|不确定",
        r"\b(?:between|whether|not sure)\b",
    ),
    ("doubt", r"(?<!no )(?<!without )\bdoubt\b"),
    (
        "supposing",
        "如果|假如|假设|要是|若|有人|一开始|起初|原本|以为|误选",
        r"\b(?:if|at first|initially|originally)\b",
    ),
    ("because", "因为|由于", r"\b(?:because|since)\b"),
    ("others", "的(?:人|同学|学生|考生|话)|之间|中的?(?:一个|之一)|[两二]者之一"),
    ("not", "错误的?答案", r"\b(?:wrong answers?|anything but|none of|no way)\b"),
    (
        "answer",
        r"(?:最终|正确|最佳|标准|参考)?的?(?:答案|选项(?=\s*(?:应该|应当|应|就|不)?\s*(?:是|为|:)))|答(?=\s*:)",
        rf"(?:的(?:选项|答案|一?项|说法|表述|描述|叙述|结果)?|结果){_IS_NEXT}",
        r"\b(?:(?:in)?correct|right|false|untrue|best|final|true|wrong)\s+(?:one|option|statement)s?(?=\s*(?:is|are|:))",
        r"\b(?:(?:correct|right|final|best)\s+)?(?:answers?|choices?)\b",
    ),
    ("right", "没有?错误?|无误|不错", r"\b(?:not|n't) (?:wrong|incorrect|false)\b"),
    (
        "out",
        "排除|剔除|去掉|淘汰|舍弃",
        r"\b(?:rul(?:e|es|ed|ing) out|(?:eliminat|exclud|discard|reject)(?:e[sd]?|ing|s|ed)?)\b",
    ),
    (
        "not",
        "不(?:应该|应当|太可能|可能|可以|一定|应|该|能|会|可|要|必|宜){0,3}(?:是|为|选择?|填)|不在|非(?=\\s*[A-Z])",
        "(?:并|绝|而|决)非|(?:别|勿|莫|没有?|未)选择?",
        r"\b(?:(?:is|are|was|were|do|does|did|ca|could|would|should|wo)n't|cannot|not|never|neither)\b",
        r"\b(?:rather than|instead of|other than|except)\b",
    ),
    (
        "wrong",
        "不(?:太|够|很)?(?:正确|准确|对(?!应)|成立|符合?|合|恰当|合适|满足|适合|适用|可能|行)(?:题意|要求|条件)?",
        "错误|有误|错[的了在]?|[×✗✘❌]",
        r"\b(?:wrong|incorrect|false|untrue|invalid|impossible|unlikely|out)\b",
    ),
    (
        "right",
        "正确|对(?![于比应此照象面不])的?|成立|符合(?:题意|要求|条件)?|最?(?:合适|恰当|佳|合理)|正解|[√✓✔✅]",
        r"\b(?:correct|right|true|best)\b",
    ),
    (
        "select",
        "选择?(?!项)|倾向于?|填",
        r"\b(?:choos(?:e|ing)|chose|pick|select|go with|lean(?:ing)? (?:towards?|to)|opt for)\b",
    ),
    (
        "either",
        "就是|即|[二两三四]选一|[都均皆](?:可以?|行|像)|也?(?:有?可能|许)[是选]?|或许[是选]?",
        r"\b(?:maybe|perhaps|possibly|(?:could|might|may) be)\b",
    ),
    (
        "so",
        "故|所以|因此|因而|综上(?:所述)?|于是|可知|应[该当]?[是为]|而是|只有|只能[是选]?|只?剩下?|认为|觉得|猜|→|=>|⇒|∴",
        r"\b(?:so|thus|therefore|hence|must be|but|only|leaves?|think|believe|guess)\b",
    ),
    ("or", "还是|或者|抑或|或|要么|/", r"\b(?:and/or|or|nor)\b"),
    ("and", "、|以及|[和及与且]|[&+]", r"\band\b"),
    ("question", r"吗|\?"),
    ("comma", ","),
    ("stop", "[。!;\n]"),
    ("dot", r"\."),
    ("is", r"是|为(?!什么)|有(?=\s*[A-Z])", r"\b(?:is|are|was|were|be)\b|'s\b"),
    (
        "filler",
        "选项|[二两三四]?项|全部?|显然|明显|肯定|一定|说法|表述|描述|观点|叙述|[两二三]者|应[该当]?|可以?|这个",
        "[的也都均皆并就才了我很最被后先再会则]",
        r"\b(?:an?|the|options?|letter|i|we|it|that|this|has|to|would|could|should|will|can|might|may|been|going)\b|'(?:d|ll)\b",
        r"\b(?:both|all|also|clearly|obviously|definitely|likely|probably|necessarily|most|simply|just|really|either)\b",
    ),
    ("skip", r"[\s*_#>$\"“”‘’(){}\[\]【】「」:~`|\\—-]+"),
)
"""Kinds of words with their patterns, in the order in which they are tried; what none of them fits
is text.
"""

_AFTER_A = (
    r"\s+(?!(?:is|are|was|and|or|nor|because|since|can|cannot|could|would|seems|looks|has|does|isn't|as|but|rather|"
    r"instead|not)\b)[a-z]"
)
"""What makes the letter A an article: a word, but none that speaks of a choice."""

_AFTER_HEAD = re.compile(
    r"\s*(?:\Z|[).:,;\]*。、(—-]|because\b|since\b|as\b|因为|由于)|\s+[^\sa-z]"
)
_LABEL_END = re.compile(r"\s*[.):]\s*[^\s.)]")
_STATES: Final = frozenset({"answer", "select", "so", "is", "and", "comma"})


@lru_cache
def _compile(letters: str) -> re.Pattern[str]:
    choices = re.escape(letters)
    lower = re.escape(letters.lower())
    capital = (
        rf"(?<![A-Za-z0-9_°])(?:[{choices}]+(?!{_AFTER_A})|(?![AI])[{choices}])(?![A-Za-z0-9_'])"
    )
    small = rf"(?<![A-Za-z0-9_'])[{lower}](?=[)\]*}}\"\s]*(?:\Z|[.,;\n。、]|[\u4e00-\u9fff]))"
    words = "|".join(
        f"(?P<{kind}_{n}>(?i:{'|'.join(patterns)}))" for n, (kind, *patterns) in enumerate(_WORDS)
    )
    return re.compile(f"(?P<letters_>{capital})|(?P<small_>{small})|{words}", re.DOTALL)


def cut_tokens(text: str, letters: str) -> list[Token]:
    """Return the words of a text that say something about letters; marks and blanks are left
    out.
    """
    normalized = unicodedata.normalize("NFKC", text)
    tokens = list[Token]()
    end = 0
    for match in _compile(letters).finditer(normalized):
        if match.start() > end:
            tokens.append(Token("text", normalized[end : match.start()]))
        end = match.end()
        kind = str(match.lastgroup).partition("_")[0]
        word = match[0]
        if kind in {"letters", "small"}:
            tokens.append(_letters_token(tokens, match))
            continue
        if kind == "skip" and "\n" in word:
            kind = "stop"
        is_after_cue = bool(tokens) and tokens[-1].kind in {"answer", "so"}
        if kind != "skip" and not (kind in {"stop", "comma"} and is_after_cue):
            tokens.append(Token(kind, word))
    return tokens


def _letters_token(tokens: Sequence[Token], match: re.Match[str]) -> Token:
    """Return letters as a token; of text where they are out of order, or small and nothing says
    that they are meant.
    """
    text = match.string
    word = match[0]
    head = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    is_stated = (
        not tokens
        or tokens[-1].kind in _STATES
        or (head.endswith("(") and text[match.end() :][:1] == ")")
    )
    is_choice = sorted({*word}) == [*word] and (is_stated or match.lastgroup == "letters_")
    return Token(
        "letters" if is_choice else "text",
        word.upper(),
        not head.strip(" \t*([#>") and bool(_AFTER_HEAD.match(text, match.end())),
        bool(_LABEL_END.match(text, match.end())),
    )


CHOICE_LETTERS: Final = "ABCD"


def multiple_choice(output: str, reference: str, letters: str = CHOICE_LETTERS) -> float:
    r"""Return 1 when the answer chose what the reference did, else 0; NaN when the reference chose
    nothing.

    Args:
        output: free text: "B", "答案是 B。", "我选(B)，因为 A 不对", "\boxed{B}", "应选 A、C".
        reference: likewise.
        letters: what can be chosen.
    """
    expected = chosen_letters(reference, letters)
    if expected:
        return float(chosen_letters(output, letters) == expected)
    return math.nan


def chosen_letters(text: str, letters: str = CHOICE_LETTERS) -> str:
    """Return the chosen letters in order, "" when the text chooses none or is ambiguous.

    The last statement of an answer ("答案是 B", "选 B", "so B") has precedence; then what is called
    right; then a letter at the beginning of a line; then the only letter that stands alone. What is
    called wrong is not chosen.
    """
    roles: defaultdict[Role, list[_Mention]] = defaultdict(list)
    for mention in _find_mentions(cut_tokens(text, letters)):
        roles[mention.role].append(mention)
    if answers := roles["answer"]:
        hedged = [mention for mention in answers if mention.is_hedged]
        return _letters_of(hedged if answers[-1].is_hedged else answers[-1:], letters)
    wrong = {letter for mention in roles["wrong"] for letter in mention.letters}
    if right := roles["right"]:
        is_contradicted = any(wrong & {*mention.letters} for mention in right)
        return "" if is_contradicted else _letters_of(right, letters)
    remaining = [mention for mention in roles["plain"] if not wrong & {*mention.letters}]
    labels = {mention.letters for mention in remaining if mention.head.is_label}
    chosen = [mention for mention in remaining if mention.head.is_at_line_start] or remaining
    if len(labels) > 1 or len({mention.letters for mention in chosen}) != 1:
        return ""
    return _letters_of(chosen[:1], letters)


Role = Literal["answer", "right", "wrong", "plain", "none"]


@dataclass(frozen=True)
class _Mention:
    """Letters that belong together, and what the text says of them."""

    letters: str
    role: Role
    is_ambiguous: bool  # "B or C"
    is_hedged: bool  # "可能是 B"
    head: Token  # the first of them


def _letters_of(mentions: Sequence[_Mention], letters: str) -> str:
    if any(mention.is_ambiguous for mention in mentions):
        return ""
    chosen = {letter for mention in mentions for letter in mention.letters}
    if len(chosen) > 1 and any(mention.is_hedged for mention in mentions):
        return ""
    return "".join(letter for letter in letters if letter in chosen)


_BEFORE = frozenset({"filler", "is", "so", "select", "answer", "not", "out", "either", "doubt"})
_CUES = frozenset({"is", "so", "select", "answer", "either"})
_JOINTS = frozenset({"and", "or", "either", "comma"})
_STOPS = frozenset({"stop", "question", "dot"})
_VERDICTS = frozenset({"wrong", "right", "out", "not"})


def _find_mentions(tokens: Sequence[Token]) -> Iterator[_Mention]:
    start = 0
    while start < len(tokens):
        if tokens[start].kind != "letters":
            start += 1
            continue
        end = _find_end(tokens, start)
        role = _find_role(tokens, start, end)
        chain = _chain_before(tokens, start)
        comma = _find(tokens[:end], start, frozenset({"comma"}))
        if role in {"wrong", "right"} and comma < end and _is_answer(chain):
            end = comma  # "the answer is B, A is wrong"
            role = "answer"
        run = tokens[start:end]
        letters = {letter for token in run if token.kind == "letters" for letter in token.text}
        is_ambiguous = any(token.kind in {"or", "either"} for token in run)
        behind = _kind(tokens, _skip(tokens, end, frozenset({"filler", "is"})))
        is_hedged = "either" in {*chain, behind}
        yield _Mention("".join(sorted(letters)), role, is_ambiguous, is_hedged, run[0])
        start = end


def _skip(tokens: Sequence[Token], start: int, kinds: Collection[str]) -> int:
    """Return the first place from `start` on whose word is of none of these kinds."""
    while _kind(tokens, start) in kinds:
        start += 1
    return start


def _find(tokens: Sequence[Token], start: int, kinds: Collection[str]) -> int:
    """Return the first place from `start` on whose word is of one of these kinds, else the end."""
    while start < len(tokens) and tokens[start].kind not in kinds:
        start += 1
    return start


def _kind(tokens: Sequence[Token], place: int) -> str:
    return tokens[place].kind if place < len(tokens) else ""


def _find_end(tokens: Sequence[Token], start: int) -> int:
    """Return the end of letters that belong together: "A、B 和 C", "A or B", "A, B" in their
    order.
    """
    end = start + 1
    while end < len(tokens):
        joint = _skip(tokens, end, _JOINTS)
        joints = {token.kind for token in tokens[end:joint]}
        if "or" in joints and _kind(tokens, joint) == "is":
            joint += 1
        if _kind(tokens, joint) != "letters":
            break
        if joints == {"comma"} and tokens[joint].text <= tokens[end - 1].text:
            break  # "B, A is wrong"
        end = joint + 1
    return end


def _chain_before(tokens: Sequence[Token], start: int) -> set[str]:
    """Return the kinds of the words directly before letters."""
    first = start
    while first and tokens[first - 1].kind in _BEFORE:
        first -= 1
    kinds = {token.kind for token in tokens[first:start]}
    if first and tokens[first - 1].kind == "letters":
        kinds.discard("is")
    return kinds


def _is_answer(chain: set[str]) -> bool:
    return not {"not", "out", "doubt"} & chain and bool(_CUES & chain)


def _find_role(tokens: Sequence[Token], start: int, end: int) -> Role:
    clause = start
    while clause and tokens[clause - 1].kind not in _STOPS | {"comma"}:
        clause -= 1
    before = {token.kind for token in tokens[clause:start]}
    chain = _chain_before(tokens, start)
    verdict = _verdict_after(tokens, end)
    if "supposing" in before or "doubt" in chain or verdict == "none":
        return "none"
    if {"not", "out"} & chain or verdict == "wrong":
        return "wrong"
    if _is_answer(chain):
        return "none" if "because" in before else "answer"
    return verdict or _verdict_of_clause(tokens, end) or "plain"


def _verdict_after(tokens: Sequence[Token], start: int) -> Role | None:
    """Return the verdict of the words directly after letters."""
    place = _skip(tokens, start, frozenset({"filler", "is", "either"}))
    kind = _kind(tokens, place)
    if kind in {"question", "others"}:
        return "none"
    if kind not in _VERDICTS | {"answer"}:
        return None
    following = _kind(tokens, _skip(tokens, place + 1, _BEFORE | {"right"}))
    if following == "question":
        return "none"
    if kind in {"not", "answer"} and following == "letters":
        return None  # "B, not C"
    return cast("Role", kind) if kind in {"right", "answer"} else "wrong"


def _verdict_of_clause(tokens: Sequence[Token], start: int) -> Role | None:
    """Return the verdict of a clause of its own on the letters before: "A 说地球是平的，错误"."""
    for n in range(start, len(tokens)):
        kind = tokens[n].kind
        if kind == "letters" or (kind in _STOPS and n > start):
            return None
        if kind in {"comma", "dot"}:
            end = _find(tokens, n + 1, _STOPS | {"comma"})
            kinds = {token.kind for token in tokens[n + 1 : end]}
            if kinds <= _VERDICTS | {"filler", "is"}:
                verdict = _verdict_after(tokens, n + 1)
                if verdict:
                    return verdict
    return None
