"""A QIANFAN ON THIS COMPUTER: an HTTP server with real state and a small model that really learns.

It speaks the platform's API at the platform's paths, verifies every signature and token, and marks
each answer as its own. `qfnb.sandbox` starts it as a process; it imports of qfnb the wire, the
metrics and what both stand on (`qfnb.base`, `qfnb.errors`).
"""
