"""Operators of a cleaning on the platform. Source: the official SDK's data operators."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(kw_only=True)
class QianfanOperator:
    """A step of a cleaning: its name, its group, and its arguments."""

    operator_name: str = ""
    operator_type: str = ""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments as the platform takes them."""
        return {
            name: value
            for name, value in asdict(self).items()
            if name not in {"operator_name", "operator_type"}
        }


@dataclass(kw_only=True)
class ExceptionRegulator(QianfanOperator):
    """Repairs texts."""

    operator_type: str = "clean"


@dataclass(kw_only=True)
class RemoveEmoji(ExceptionRegulator):
    """Removes emoji."""

    operator_name: str = "remove_emoji"


@dataclass(kw_only=True)
class RemoveInvisibleCharacter(ExceptionRegulator):
    """Removes invisible characters."""

    operator_name: str = "remove_invisible_character"


@dataclass(kw_only=True)
class ReplaceUniformWhitespace(ExceptionRegulator):
    """Makes all white space one kind."""

    operator_name: str = "replace_uniform_whitespace"


@dataclass(kw_only=True)
class RemoveNonMeaningCharacters(ExceptionRegulator):
    """Removes characters without a meaning."""

    operator_name: str = "remove_non_meaning_characters"


@dataclass(kw_only=True)
class ReplaceTraditionalChineseToSimplified(ExceptionRegulator):
    """Replaces traditional Chinese characters by simplified ones."""

    operator_name: str = "replace_traditional_chinese_to_simplified"


@dataclass(kw_only=True)
class RemoveWebIdentifiers(ExceptionRegulator):
    """Removes what is left of web pages."""

    operator_name: str = "remove_web_identifiers"


@dataclass(kw_only=True)
class Filter(QianfanOperator):
    """Removes texts."""

    operator_type: str = "filter"


@dataclass(kw_only=True)
class FilterCheckNumberWords(Filter):
    """Keeps texts with a number of words between two limits."""

    operator_name: str = "filter_check_number_words"
    number_words_min_cutoff: int = 1
    number_words_max_cutoff: int = 10000


@dataclass(kw_only=True)
class FilterCheckWordRepetitionRemoval(Filter):
    """Removes texts with more repeated words than a share, 0 to 1."""

    operator_name: str = "filter_check_word_repetition_removal"
    word_repetition_max_cutoff: float


@dataclass(kw_only=True)
class FilterCheckCharacterRepetitionRemoval(Filter):
    """Removes texts with more repeated characters than a share, 0 to 1."""

    operator_name: str = "filter_check_character_repetition_removal"
    default_character_repetition_max_cutoff: float


@dataclass(kw_only=True)
class FilterCheckSpecialCharacters(Filter):
    """Removes texts with more special characters than a share, 0 to 1."""

    operator_name: str = "filter_check_special_characters"
    special_characters_max_cutoff: float


@dataclass(kw_only=True)
class FilterCheckFlaggedWords(Filter):
    """Removes texts with more flagged words than a share, 0 to 1."""

    operator_name: str = "filter_check_flagged_words"
    flagged_words_max_cutoff: float


@dataclass(kw_only=True)
class FilterCheckLangId(Filter):
    """Removes texts that are Chinese with less than a probability, 0 to 1."""

    operator_name: str = "filter_check_lang_id"
    lang_id_min_cutoff: float


@dataclass(kw_only=True)
class FilterCheckPerplexity(Filter):
    """Removes texts with a perplexity above a limit."""

    operator_name: str = "filter_check_perplexity"
    perplexity_max_cutoff: int


@dataclass(kw_only=True)
class Deduplicator(QianfanOperator):
    """Removes texts that nearly repeat others."""

    operator_type: str = "deduplication"


@dataclass(kw_only=True)
class DeduplicationSimhash(Deduplicator):
    """Removes texts within a distance of their hashes."""

    operator_name: str = "deduplication_simhash"
    distance: float


@dataclass(kw_only=True)
class DesensitizationProcessor(QianfanOperator):
    """Replaces what is personal."""

    operator_type: str = "desensitization"


@dataclass(kw_only=True)
class ReplaceEmails(DesensitizationProcessor):
    """Replaces addresses of mail."""

    operator_name: str = "replace_emails"


@dataclass(kw_only=True)
class ReplaceIp(DesensitizationProcessor):
    """Replaces IP addresses."""

    operator_name: str = "replace_ip"


@dataclass(kw_only=True)
class ReplaceIdentifier(DesensitizationProcessor):
    """Replaces numbers of identity cards, telephones and the like."""

    operator_name: str = "replace_identifier"
