"""Weights: names, where they lie, downloads and conversions."""
