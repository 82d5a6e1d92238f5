"""Masks cleaned: open and close, median, majority, sieve, holes (numpy)."""
