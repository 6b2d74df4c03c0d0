"""Domains and profiles along the normal of a boundary."""
