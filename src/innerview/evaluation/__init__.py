"""How far a surrogate and its explanations can be trusted: metrics, floors, intervals, report.

Knows answers and labels, and nothing of how an answer was made.
"""
