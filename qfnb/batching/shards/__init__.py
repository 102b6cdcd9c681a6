"""Batches as shards on several processes or machines, under one rate limit and one budget.

Public: `qfnb.batch_shards` (api), `ShardedBatch` (sharded_batch).
"""
