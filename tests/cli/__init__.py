"""The commands, as an operator gives them."""
