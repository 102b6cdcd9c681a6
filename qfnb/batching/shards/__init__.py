"""Batches of many files as shards, one after another or as tasks of Ray, under one rate limit and
one budget.

Public: `qfnb.batch_shards` (api), `ShardedBatch` (sharded_batch).
"""
