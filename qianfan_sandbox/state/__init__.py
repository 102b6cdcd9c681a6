"""The sandbox's state: SQLite store, clock, lifecycles, job queue, snapshots."""
