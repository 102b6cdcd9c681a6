"""Evaluation reports, panels and sample tables."""
