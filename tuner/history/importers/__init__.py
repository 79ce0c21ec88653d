"""Reads what other tools, and other homes of Tuner, have left: one module for each kind."""
