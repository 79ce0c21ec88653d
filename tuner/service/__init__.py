"""What users and workers can ask of Tuner, whatever way the question comes in.

Nothing is imported here: a command that only reads needs neither Optuna nor Redis.
"""
