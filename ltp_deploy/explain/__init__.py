"""What an engine does to one text: the tokens layer by layer, and where they are pruned."""
