"""What the page shows of the JSON that commands write, each entry checked when it is read.

These are views: entries of the results that no page shows are not looked at. A number that is
infinite or NaN, as the results of a broken engine may have, is None.
"""
