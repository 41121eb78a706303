"""Building responses: JSON, problem details, CSV, compression."""
