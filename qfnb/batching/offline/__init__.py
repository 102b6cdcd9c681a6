"""Batches that the platform runs offline."""
