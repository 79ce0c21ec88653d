"""The same hypermodel and budget through stock KerasTuner and through this service."""
