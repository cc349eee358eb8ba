"""Risk models: a logistic regression on numbers of the mask."""
