"""Scores of one answer against its reference, right for Chinese: each a small function, NaN for "n/a".

`score("rouge_l", output, reference, recipe="qianfan")` in `qfnb.metrics.recipes` puts them together.
"""

from .bleu import bleu4 as bleu4
from .chrf import chrf as chrf
from .exact import edit_similarity as edit_similarity
from .exact import exact_match as exact_match
from .exact import json_fields as json_fields
from .exact import matches_pattern as matches_pattern
from .multiple_choice import chosen_letters as chosen_letters
from .multiple_choice import multiple_choice as multiple_choice
from .rouge import rouge_l as rouge_l
from .rouge import rouge_n as rouge_n
from .rouge import unit_f1 as unit_f1
from .units import characters as characters
from .units import jieba_words as jieba_words
from .units import normalize as normalize
