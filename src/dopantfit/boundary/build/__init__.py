"""The boundary built and sintered."""
