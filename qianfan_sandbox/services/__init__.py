"""Deployed services, what they cost and how much they are used."""
