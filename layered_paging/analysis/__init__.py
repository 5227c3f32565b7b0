"""Verdicts about a trace: what its misses are due to, and how much of the gap each policy closes."""
