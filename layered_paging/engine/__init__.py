"""Replay: how a trace meets a policy, plain and compiled, and curves over all capacities."""
