"""What the routes of the tab answer: JSON, tables and files; `requests` checks what is asked."""
