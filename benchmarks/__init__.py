"""Measurements: whole processes, side by side, on generated logs."""
