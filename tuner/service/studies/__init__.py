"""What changes a study: submitting, steering, editing, retrying, deleting."""
