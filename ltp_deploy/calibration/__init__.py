"""What a checkpoint does on sample data: activation ranges for int8, survivors, lengths."""
