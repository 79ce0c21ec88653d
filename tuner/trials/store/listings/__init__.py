"""What users see as lists: trials by objective or with their results, events, workers."""
