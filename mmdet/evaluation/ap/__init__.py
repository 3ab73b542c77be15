"""Video AP, equal to the official evaluator bit for bit."""
