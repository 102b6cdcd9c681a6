"""The transport: event loop, connection pool, authentication, retries, rate limits and the
protocol.
"""
