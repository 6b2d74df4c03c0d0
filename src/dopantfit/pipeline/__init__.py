"""Fit, validate, study and report as one flow: what is up to date, and the way of one parameter through it."""
