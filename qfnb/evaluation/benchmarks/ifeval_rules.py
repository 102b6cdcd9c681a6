"""The 25 rules of IFEval, each a function of an answer and the rule's arguments, by their
description.

Written from the table of instructions in Zhou et al. 2023, not from the authors' program. It
differs in two things: it takes langdetect for languages and NLTK for sentences and words; here
`ifeval_languages` and the patterns below do.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .ifeval_languages import LANGUAGES, is_language

IsValid = Callable[[Any], bool]


@dataclass(frozen=True)
class Rule:
    """A rule: whether an answer follows it, and which values its arguments may have."""

    is_followed: Callable[..., bool]
    arguments: Mapping[str, IsValid]


RELATIONS: Final = ("less than", "at least")


def _compares(count: int, relation: str, limit: float) -> bool:
    return count < limit if relation == RELATIONS[0] else count >= limit


def _count(text: str, phrase: str) -> int:
    return len(re.findall(re.escape(phrase), text, re.IGNORECASE))


def _has_keywords(text: str, keywords: Sequence[str]) -> bool:
    return all(_count(text, keyword) for keyword in keywords)


def _has_keyword_often(text: str, keyword: str, frequency: int, relation: str) -> bool:
    return _compares(_count(text, keyword), relation, frequency)


def _has_no_forbidden_word(text: str, forbidden_words: Sequence[str]) -> bool:
    return not any(
        re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in forbidden_words
    )


def _has_letter_often(text: str, letter: str, let_frequency: int, let_relation: str) -> bool:
    return _compares(text.lower().count(letter.lower()), let_relation, let_frequency)


_WORD: Final = re.compile(r"\w+")
_ABBREVIATION: Final = re.compile(
    r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|No|Inc|Ltd|Co|U\.S|[A-Z])\.\Z", re.IGNORECASE
)
_END_OF_SENTENCE: Final = re.compile(r"[.!?]+[\"'”’)\]*_]*(?=\s|\Z)|[。！？]+[”’」』）]*")


def count_sentences(text: str) -> int:
    """Return the number of sentences: a mark at the end of a word closes one, save behind
    abbreviations.
    """
    count = 0
    start = 0
    for match in _END_OF_SENTENCE.finditer(text):
        if (
            match[0] == "."
            and _ABBREVIATION.search(text, start, match.end())
            and text[match.end() :].strip()
        ):
            continue
        count += bool(_WORD.search(text, start, match.end()))
        start = match.end()
    return count + bool(_WORD.search(text, start))


def _has_sentences(text: str, num_sentences: int, relation: str) -> bool:
    return _compares(count_sentences(text), relation, num_sentences)


def _has_words(text: str, num_words: int, relation: str) -> bool:
    return _compares(len(_WORD.findall(text)), relation, num_words)


def _has_paragraphs(text: str, num_paragraphs: int) -> bool:
    """Paragraphs are separated by `***`; only before the first separator and behind the last one
    may be nothing.
    """
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", text)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == num_paragraphs


def _has_first_word(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Paragraphs are separated by an empty line."""
    parts = re.split(r"\n\n", text)
    if sum(bool(part.strip()) for part in parts) != num_paragraphs or nth_paragraph > len(parts):
        return False
    words = parts[nth_paragraph - 1].split()
    word = re.match(r"[^.,?!'\"]*", words[0].lstrip("'\"")) if words else None
    return word is not None and word[0].lower() == first_word.lower()


def _has_placeholders(text: str, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", text)) >= num_placeholders


def _has_postscript(text: str, postscript_marker: str) -> bool:
    """A blank may stand behind a dot of the marker: "P. S."."""
    pattern = re.escape(postscript_marker.strip()).replace(r"\.", r"\.\s?")
    return re.search(pattern, text, re.IGNORECASE) is not None


def _has_bullets(text: str, num_bullets: int) -> bool:
    return sum(bool(re.match(r"\s*(?:\*[^*]|-)", line)) for line in text.split("\n")) == num_bullets


_CONSTRAINED: Final = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def _is_constrained(text: str) -> bool:
    return any(phrase in text for phrase in _CONSTRAINED)


def _has_highlights(text: str, num_highlights: int) -> bool:
    single = [part for part in re.findall(r"\*([^\n*]*)\*", text) if part.strip()]
    double = [part for part in re.findall(r"\*\*([^\n*]*)\*\*", text) if part.strip()]
    return len(single) + len(double) >= num_highlights


def _has_sections(text: str, section_spliter: str, num_sections: int) -> bool:
    heading = rf"\s?{re.escape(section_spliter.strip())}\s?\d+\s?"
    return len(re.findall(heading, text)) >= num_sections


def _is_json(text: str) -> bool:
    block = re.fullmatch(r"```(?:json)?(.*?)(?:```)?", text.strip(), re.DOTALL | re.IGNORECASE)
    try:
        json.loads(block[1] if block else text)
    except (ValueError, RecursionError):
        return False
    return True


def _has_title(text: str) -> bool:
    return any(title.strip("<> ") for title in re.findall(r"<<[^\n]+>>", text))


def _has_two_responses(text: str) -> bool:
    """Two answers that are not alike, separated by six asterisks."""
    parts = [part.strip() for part in text.split("******")]
    answers = [part for part in parts if part]
    return all(parts[1:-1]) and len(answers) == 2 and answers[0] != answers[1]


def _repeats_prompt(text: str, prompt_to_repeat: str) -> bool:
    return text.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _ends_with(text: str, end_phrase: str) -> bool:
    return text.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _is_quoted(text: str) -> bool:
    stripped = text.strip()
    return len(stripped) > 1 and stripped[0] == stripped[-1] == '"'


_TOKEN: Final = re.compile(r"[^\W_]+(?:[-'’./&][^\W_]+)*")


def _has_capital_words(text: str, capital_frequency: int, capital_relation: str) -> bool:
    return _compares(
        sum(word.isupper() for word in _TOKEN.findall(text)), capital_relation, capital_frequency
    )


def _is_upper(text: str) -> bool:
    return text.isupper() and is_language(text, "en")


def _is_lower(text: str) -> bool:
    return text.islower() and is_language(text, "en")


def _has_no_comma(text: str) -> bool:
    return "," not in text


def _is_in_language(text: str, language: str) -> bool:
    return is_language(text, language)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_relation(value: object) -> bool:
    return value in RELATIONS


def _is_known_language(value: object) -> bool:
    return value in LANGUAGES


RULES: Final[Mapping[str, Rule]] = {
    "keywords:existence": Rule(_has_keywords, {"keywords": _is_texts}),
    "keywords:frequency": Rule(
        _has_keyword_often, {"keyword": _is_text, "frequency": _is_number, "relation": _is_relation}
    ),
    "keywords:forbidden_words": Rule(_has_no_forbidden_word, {"forbidden_words": _is_texts}),
    "keywords:letter_frequency": Rule(
        _has_letter_often,
        {"letter": _is_text, "let_frequency": _is_number, "let_relation": _is_relation},
    ),
    "language:response_language": Rule(_is_in_language, {"language": _is_known_language}),
    "length_constraints:number_sentences": Rule(
        _has_sentences, {"num_sentences": _is_number, "relation": _is_relation}
    ),
    "length_constraints:number_paragraphs": Rule(_has_paragraphs, {"num_paragraphs": _is_number}),
    "length_constraints:number_words": Rule(
        _has_words, {"num_words": _is_number, "relation": _is_relation}
    ),
    "length_constraints:nth_paragraph_first_word": Rule(
        _has_first_word,
        {"num_paragraphs": _is_number, "nth_paragraph": _is_number, "first_word": _is_text},
    ),
    "detectable_content:number_placeholders": Rule(
        _has_placeholders, {"num_placeholders": _is_number}
    ),
    "detectable_content:postscript": Rule(_has_postscript, {"postscript_marker": _is_text}),
    "detectable_format:number_bullet_lists": Rule(_has_bullets, {"num_bullets": _is_number}),
    "detectable_format:constrained_response": Rule(_is_constrained, {}),
    "detectable_format:number_highlighted_sections": Rule(
        _has_highlights, {"num_highlights": _is_number}
    ),
    "detectable_format:multiple_sections": Rule(
        _has_sections, {"section_spliter": _is_text, "num_sections": _is_number}
    ),
    "detectable_format:json_format": Rule(_is_json, {}),
    "detectable_format:title": Rule(_has_title, {}),
    "combination:two_responses": Rule(_has_two_responses, {}),
    "combination:repeat_prompt": Rule(_repeats_prompt, {"prompt_to_repeat": _is_text}),
    "startend:end_checker": Rule(_ends_with, {"end_phrase": _is_text}),
    "startend:quotation": Rule(_is_quoted, {}),
    "change_case:capital_word_frequency": Rule(
        _has_capital_words, {"capital_frequency": _is_number, "capital_relation": _is_relation}
    ),
    "change_case:english_capital": Rule(_is_upper, {}),
    "change_case:english_lowercase": Rule(_is_lower, {}),
    "punctuation:no_comma": Rule(_has_no_comma, {}),
}
"""All rules by the names of `instruction_id_list`."""
