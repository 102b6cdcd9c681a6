"""Statistics of scores: intervals, significance tests, and what the samples of a report add up
to.
"""
