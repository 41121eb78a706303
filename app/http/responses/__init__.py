"""What is answered: JSON, problem details, CSV, compression."""
