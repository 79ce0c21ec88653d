"""Why trials were proposed and stopped, and what history and pruning gained."""
