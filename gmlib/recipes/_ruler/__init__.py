"""The data sets of the ruler: which models stand on each, and how they are drawn from and asked for a density."""
