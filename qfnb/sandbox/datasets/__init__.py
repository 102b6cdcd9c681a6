"""Datasets: rows, versions, imports, exports, entities, cleaning."""
