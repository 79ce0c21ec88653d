"""Reading what other tools, and other homes of Tuner's, have left: one module for each kind."""
