"""The dopant put into the amorphous domain."""
