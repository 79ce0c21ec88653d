"""What users and workers can ask of Tuner, however the request arrives.

Nothing is imported here: a command that only reads needs neither Optuna nor Redis.
"""
