"""HOW IT TRAVELS: one event loop, one connection pool, authentication, retries and the protocol's rules."""
