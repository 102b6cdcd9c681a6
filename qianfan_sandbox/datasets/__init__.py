"""Datasets: versions, rows, imports, exports and cleaning."""
