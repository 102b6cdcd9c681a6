"""Statistics of evaluations: intervals, significance tests, aggregates."""
