"""Options of a model tried against one another on a dataset: random search, scored by an
evaluator.
"""
