"""A bundle, and what was found about it, as one page of HTML that loads nothing."""
