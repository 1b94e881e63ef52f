"""Innerview explains a frozen model by teaching a language model to stand in for it."""
