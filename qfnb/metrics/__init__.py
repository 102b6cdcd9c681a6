"""Metrics: pure functions that score one answer against its reference; right for Chinese, NaN for
"n/a".

`recipes.score("rouge_l", output, reference, recipe="qianfan")` combines them with a way to count.
The evaluation and the sandbox both count with these functions. A new metric is one function here
and one row in `recipes.METRICS`; `MetricEvaluator`, `%qfeval --metrics` and Tab then offer it.
"""
