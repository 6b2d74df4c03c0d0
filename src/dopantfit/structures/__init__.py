"""Crystal prototypes, supercells and charge-balanced substitution."""
