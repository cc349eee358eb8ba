"""Simulated nodules in real lung."""
