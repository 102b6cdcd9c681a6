"""HTTP around the handlers: calls, authentication, paging, refusals."""
