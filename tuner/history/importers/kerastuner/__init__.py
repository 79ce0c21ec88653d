"""KerasTuner's projects and logs."""
