"""Faults and quotas that a user can switch on to rehearse failures."""
