"""How well a weight set performs: held-out figures with intervals, and the pages and tables that
show them.

``evaluate_dataset`` does it all; ``predictions``, ``evaluate`` and ``write_evaluation`` are its
steps.
"""
