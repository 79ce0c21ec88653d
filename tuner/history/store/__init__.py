"""What is known of earlier runs, in the database."""
