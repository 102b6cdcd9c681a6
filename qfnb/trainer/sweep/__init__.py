"""Sweeps: trainings on the same data with different settings, run within a limit and compared at
the end.
"""
