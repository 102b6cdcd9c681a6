"""Batches with a journal: many rows sent to one model without losing any; limits, budget, resuming.

Public: `qfnb.batch`, `abatch`, `estimate`, `resume` (api), `Batch` (batch), `batches` (journal_store).
"""
