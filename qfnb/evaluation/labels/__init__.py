"""Labels of people: which of two answers is better, or how good one is; asked blind, in a journal
of their own.
"""
