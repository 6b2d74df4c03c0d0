"""The gates: a potential may be rejected here, never changed."""
