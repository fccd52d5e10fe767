"""Recipes: functions that put a model, its data and its loss together as a training task.

A recipe file (``assets/recipes/*.toml``) names one of these functions and its settings; ``python -m gmlib.train FILE``
runs it. Only recipes and chapters join the floors of gmlib.
"""
