"""Importers: networks that other programs saved become bundles."""
