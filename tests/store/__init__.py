"""What every store has to do (contract/), and what the one that keeps JSON files does besides."""
