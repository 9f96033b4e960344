"""Telling others about records."""
