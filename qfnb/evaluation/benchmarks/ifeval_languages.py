"""Whether a text is in one of the languages of IFEval: by its letters, and where languages share
them, by its words.

A text without a letter is in every language, and one that is too short to tell is in each that it
may be.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Final

SCRIPTS: Final[Mapping[str, str]] = {
    "en": "LATIN", "es": "LATIN", "pt": "LATIN", "fr": "LATIN", "de": "LATIN", "it": "LATIN",
    "pl": "LATIN",
    "vi": "LATIN", "sw": "LATIN", "fi": "LATIN", "ru": "CYRILLIC", "uk": "CYRILLIC",
    "bg": "CYRILLIC",
    "ar": "ARABIC", "fa": "ARABIC", "ur": "ARABIC", "hi": "DEVANAGARI", "mr": "DEVANAGARI",
    "ne": "DEVANAGARI",
    "bn": "BENGALI", "th": "THAI", "ta": "TAMIL", "te": "TELUGU", "ko": "HANGUL", "he": "HEBREW",
    "kn": "KANNADA",
    "gu": "GUJARATI", "pa": "GURMUKHI", "ml": "MALAYALAM", "ja": "HIRAGANA", "zh": "CJK",
}  # fmt: skip
LANGUAGES: Final = frozenset(SCRIPTS)
"""The codes of the languages, ISO 639-1."""

WORDS: Final[Mapping[str, str]] = {
    "en": "the of and to in is that it for was on are with as be this have from or by not but "
    "what all were we when "
    "your can an there which their if will how i you he she they my has do would our a at so no "
    "me his her them who "
    "about more than out up one some any into only just very",
    "es": "de la que el en y los se del las un por con una su para es al lo como más pero sus le "
    "ya muy sin sobre "
    "también me hasta hay donde quien desde todo nos está este son yo",
    "pt": "de que o a do da em um para é com não uma os no se na por mais as dos como mas foi ao "
    "ele das tem à seu "
    "sua ou ser quando muito há nos já está eu também só pelo pela isso são",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce "
    "il sont mais avec "
    "ou son aux cette je nous vous ils elle été être leur c'est d'un qu'il",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch "
    "es an werden aus er "
    "hat dass sie nach wird bei einer um am sind noch wie einem über ich wir oder",
    "it": "di e il la che in a per un è del non sono una i con da si le dei come al della più gli "
    "ha nel alla ma anche "
    "questo lo su ed o io molto delle nella perché",
    "pl": "i w na z do nie się to jest że o jak a po co ale przez od za tak dla są ma już tylko "
    "jego jej czy być był "
    "było może które który oraz ich przy także bardzo",
    "vi": "và của là có cho không được một các những trong với người này đã để khi từ như đến về "
    "tôi bạn ra cũng rất "
    "thì nhiều sẽ đó trên làm vào nước hay",
    "sw": "ya na wa kwa ni katika za la kuwa cha hii hiyo au yake kama vya watu mtu wake pia "
    "zaidi huo sana moja "
    "mimi wewe yeye sisi wao lakini ambayo hivyo kila",
    "fi": "ja on ei se että oli hän mutta ovat kun niin myös tai kuin olla joka mukaan jos hyvin "
    "sen ole minä sinä he "
    "tämä voi nyt vain sitä siitä joita ovat paljon",
    "ru": "и в не на что с он как это по но из у за от так же его для вы мы она они я бы был было "
    "все только или "
    "если меня ещё уже очень быть",
    "uk": "і в не на що з та як це до але із у за від так його для ви ми вона вони я був було всі "
    "тільки або якщо "
    "мене ще вже дуже бути є й цей",
    "bg": "и в не на че с той като това по но от за се да са е ще ви ние тя те аз би беше всички "
    "само или ако "
    "още вече много бъде който една един",
    "ar": "في من على أن إلى هذا هذه التي الذي كان ما لا هو هي عن مع كل بعد أو قد ذلك بين كما لم "
    "عند إن ثم حيث",
    "fa": "و در به از که این را با است برای آن یک خود تا کرد بر هم نیز می شود شد ها های اما من ما "
    "شما او بود یا",
    "ur": "کے کی میں ہے اور سے کا کو اس نے پر کہ ہیں ایک یہ بھی کر تھا جو کیا تو لیے نہیں گیا ہو "
    "وہ ہم آپ مجھے",
    "hi": "के का में की है और से को पर यह इस हैं एक कि भी ने नहीं लिए कर जो था तो ही या हो वह हम "
    "आप मैं गया करने",
    "mr": "आणि आहे या च्या ते हा ही आहेत मी तो की एक होते होता असे तर नाही मध्ये साठी त्या पण "
    "किंवा खूप केले आम्ही",
    "ne": "र को मा छ ले लाई हो का यो पनि छन् गर्न भने तर हुन्छ थियो एक म हामी गरेको यस त्यो धेरै गर्ने भएको",
}
"""The commonest words of languages that share their letters."""

_LETTERS: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_MARKED: Final[Mapping[str, str]] = {
    "uk": "іїєґ", "ru": "ыэё", "bg": "ъ", "ur": "ٹڈڑےہںھ", "fa": "گچپژ", "pl": "ąćęłńśźż",
    "fi": "äö",
    "vi": "ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "de": "äöüß", "es": "ñ¿¡", "pt": "ãõ", "ne": "", "mr": "ळ",
}  # fmt: skip
"""Letters that few of the languages that share the others have."""


def is_language(text: str, language: str) -> bool:
    """Return whether a text is in a language, by its ISO 639-1 code."""
    if not (counts := count_scripts(text)):
        return True
    script = counts.most_common(1)[0][0]
    if script == "CJK" and counts["HIRAGANA"]:
        script = "HIRAGANA"
    if SCRIPTS[language] != script:
        return False
    rivals = [code for code, name in SCRIPTS.items() if name == script]
    points = {code: _points(text, code) for code in rivals}
    return len(rivals) == 1 or points[language] == max(points.values())


def count_scripts(text: str) -> Counter[str]:
    """Return how many letters of a text each script has; kana count as `HIRAGANA`."""
    counts: Counter[str] = Counter()
    for letter, count in Counter(filter(str.isalpha, text)).items():
        counts[_script(letter)] += count
    return counts


@cache
def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").split(" ")[0].split("-")[0]
    return "HIRAGANA" if name == "KATAKANA" else name


def _points(text: str, language: str) -> float:
    """Return how much speaks for a language: its words, and the letters that are its own."""
    words = _word_set(language)
    marks = _MARKED.get(language, "")
    lowered = text.lower()
    return sum(word in words for word in _words(lowered)) + 0.5 * sum(
        letter in marks for letter in lowered
    )


@cache
def _word_set(language: str) -> frozenset[str]:
    return frozenset(WORDS.get(language, "").split())


def _words(text: str) -> list[str]:
    """Return the words of a text; combining vowels are no letters for `re`, but part of a word."""
    return text.split() if _has_marks(text) else _LETTERS.findall(text)


def _has_marks(text: str) -> bool:
    return any(unicodedata.category(letter) in {"Mn", "Mc"} for letter in set(text))
