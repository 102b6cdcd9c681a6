"""Evaluations of model versions."""
