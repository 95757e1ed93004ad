"""Metrics, their bootstrap intervals, baselines and calibration, on plain arrays."""
