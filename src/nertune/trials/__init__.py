"""One job: point x protocol -> record."""
