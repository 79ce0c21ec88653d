"""Changes of a study: submitting, steering, editing, retrying, deleting."""
