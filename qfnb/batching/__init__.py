"""Batches with a journal: many rows sent to one model without losing any; limits, budget, resuming.

Public: `qfnb.batch`, `abatch`, `estimate` (api), `resume` (resume), `Batch` (batch), `batches`
(journal_store).
"""
