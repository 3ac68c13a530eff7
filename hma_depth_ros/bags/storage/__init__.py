"""Storage files of bags, whatever their format, and what they are made of."""
