"""The service as a script meets it: connection, study, attempts and their files.

Nothing here imports KerasTuner; the modules of `tuner.keras` itself do.
"""
