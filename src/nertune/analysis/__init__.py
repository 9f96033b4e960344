"""What predictions and records show: figures as plain data, for reports and comparisons."""
