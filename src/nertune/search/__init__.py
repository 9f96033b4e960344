"""Who chooses the next point; Optuna and its storage."""
