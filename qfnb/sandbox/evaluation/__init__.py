"""Evaluation tasks: creation, work, judges, results."""
