"""Scores of one answer against its reference, right for Chinese: each a small function, NaN for "n/a".

`score("rouge_l", output, reference, recipe="qianfan")` in `qfnb.evaluation.recipes` puts them together.
"""

from .bleu import bleu4 as bleu4
from .choosing import choice as choice
from .choosing import chosen as chosen
from .chrf import chrf as chrf
from .matching import edit_similarity as edit_similarity
from .matching import exact_match as exact_match
from .matching import json_fields as json_fields
from .matching import matches as matches
from .overlap import f1 as f1
from .overlap import rouge_l as rouge_l
from .overlap import rouge_n as rouge_n
from .text import characters as characters
from .text import normalize as normalize
from .text import words as words
