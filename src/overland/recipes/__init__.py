"""Recipes: one YAML file per recommended model, read through `overland.training.settings`."""
