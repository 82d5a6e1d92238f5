"""Figures, pictures and the one-page HTML report."""
