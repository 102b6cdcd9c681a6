"""Many rows asked of one model, without losing any: journal, limits, budget, resume."""
