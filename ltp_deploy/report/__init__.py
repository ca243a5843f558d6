"""What people read: each file turns one result into text."""
