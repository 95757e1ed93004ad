"""A loader for each data set: its files in, one table out."""
