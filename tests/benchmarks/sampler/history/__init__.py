"""Earlier studies for a target task: related ones, and what would mislead."""
