"""Trains models for the E3 runtime. The command is `e3-train`; docs/TRAINING.md says what it does."""
