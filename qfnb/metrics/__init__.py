"""Metrics: pure functions that score one answer against its reference; right for Chinese, NaN for "n/a".

`recipes.score("rouge_l", output, reference, recipe="qianfan")` combines them with a way to count. The
evaluation and the sandbox both count with these functions. A new metric is one module here and one row in
`recipes.METRICS`; `MetricEvaluator`, `%qfeval --metrics` and Tab then offer it.
"""

from .bleu import bleu4 as bleu4
from .chrf import chrf as chrf
from .exact import edit_similarity as edit_similarity
from .exact import exact_match as exact_match
from .exact import matches_pattern as matches_pattern
from .json_fields import json_fields as json_fields
from .multiple_choice import chosen_letters as chosen_letters
from .multiple_choice import multiple_choice as multiple_choice
from .rouge import rouge_l as rouge_l
from .rouge import rouge_n as rouge_n
from .rouge import unit_f1 as unit_f1
from .units import characters as characters
from .units import jieba_words as jieba_words
from .units import normalize as normalize
