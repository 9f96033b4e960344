"""A saved model -> predictions."""
