"""The learning curves of earlier studies, and what they predict."""
