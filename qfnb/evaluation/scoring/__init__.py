"""Scores of one answer against its reference, right for Chinese: each a small function, NaN for "n/a".

`score("rouge_l", output, reference, recipe="qianfan")` in `qfnb.evaluation.recipes` puts them together.
"""

from .bleu import bleu4 as bleu4
from .choosing import chosen_letters as chosen_letters
from .choosing import multiple_choice as multiple_choice
from .chrf import chrf as chrf
from .matching import edit_similarity as edit_similarity
from .matching import exact_match as exact_match
from .matching import json_fields as json_fields
from .matching import matches_pattern as matches_pattern
from .overlap import rouge_l as rouge_l
from .overlap import rouge_n as rouge_n
from .overlap import unit_f1 as unit_f1
from .text import characters as characters
from .text import jieba_words as jieba_words
from .text import normalize as normalize
