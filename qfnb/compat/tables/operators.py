"""Operators of a cleaning on the platform. Source: the official SDK's data operators."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass
class QianfanOperator:
    """A step of a cleaning."""

    operator_name: ClassVar[str] = ""
    operator_type: ClassVar[str] = ""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments as the platform takes them."""
        return asdict(self)


class ExceptionRegulator(QianfanOperator):
    """Repairs texts."""

    operator_type = "clean"


class RemoveEmoji(ExceptionRegulator):
    """Removes emoji."""

    operator_name = "remove_emoji"


class RemoveInvisibleCharacter(ExceptionRegulator):
    """Removes invisible characters."""

    operator_name = "remove_invisible_character"


class ReplaceUniformWhitespace(ExceptionRegulator):
    """Makes all white space one kind."""

    operator_name = "replace_uniform_whitespace"


class RemoveNonMeaningCharacters(ExceptionRegulator):
    """Removes characters without a meaning."""

    operator_name = "remove_non_meaning_characters"


class ReplaceTraditionalChineseToSimplified(ExceptionRegulator):
    """Replaces traditional Chinese characters by simplified ones."""

    operator_name = "replace_traditional_chinese_to_simplified"


class RemoveWebIdentifiers(ExceptionRegulator):
    """Removes what is left of web pages."""

    operator_name = "remove_web_identifiers"


@dataclass
class Filter(QianfanOperator):
    """Removes texts."""

    operator_type = "filter"


@dataclass
class FilterCheckNumberWords(Filter):
    """Keeps texts with a number of words between two limits."""

    operator_name = "filter_check_number_words"
    number_words_min_cutoff: int = 1
    number_words_max_cutoff: int = 10000


@dataclass
class FilterCheckWordRepetitionRemoval(Filter):
    """Removes texts with more repeated words than a share, 0 to 1."""

    operator_name = "filter_check_word_repetition_removal"
    word_repetition_max_cutoff: float


@dataclass
class FilterCheckCharacterRepetitionRemoval(Filter):
    """Removes texts with more repeated characters than a share, 0 to 1."""

    operator_name = "filter_check_character_repetition_removal"
    default_character_repetition_max_cutoff: float


@dataclass
class FilterCheckSpecialCharacters(Filter):
    """Removes texts with more special characters than a share, 0 to 1."""

    operator_name = "filter_check_special_characters"
    special_characters_max_cutoff: float


@dataclass
class FilterCheckFlaggedWords(Filter):
    """Removes texts with more flagged words than a share, 0 to 1."""

    operator_name = "filter_check_flagged_words"
    flagged_words_max_cutoff: float


@dataclass
class FilterCheckLangId(Filter):
    """Removes texts that are Chinese with less than a probability, 0 to 1."""

    operator_name = "filter_check_lang_id"
    lang_id_min_cutoff: float


@dataclass
class FilterCheckPerplexity(Filter):
    """Removes texts with a perplexity above a limit."""

    operator_name = "filter_check_perplexity"
    perplexity_max_cutoff: int


class Deduplicator(QianfanOperator):
    """Removes texts that nearly repeat others."""

    operator_type = "deduplication"


@dataclass
class DeduplicationSimhash(Deduplicator):
    """Removes texts within a distance of their hashes."""

    operator_name = "deduplication_simhash"
    distance: float


class DesensitizationProcessor(QianfanOperator):
    """Replaces what is personal."""

    operator_type = "desensitization"


class ReplaceEmails(DesensitizationProcessor):
    """Replaces addresses of mail."""

    operator_name = "replace_emails"


class ReplaceIp(DesensitizationProcessor):
    """Replaces IP addresses."""

    operator_name = "replace_ip"


class ReplaceIdentifier(DesensitizationProcessor):
    """Replaces numbers of identity cards, telephones and the like."""

    operator_name = "replace_identifier"
