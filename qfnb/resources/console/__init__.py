"""Names under which the official SDK keeps the constants of the management plane."""
