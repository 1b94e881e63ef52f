"""Explanations of a target: measured evidence, typed claims, verdicts, prose, pages.

Knows the target protocol and nothing of who makes claims: a claim is verified the same way
whoever wrote it.
"""
