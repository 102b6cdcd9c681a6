"""The official SDK's other names: what it calls differently from qfnb, thin over qfnb's own
parts.
"""
