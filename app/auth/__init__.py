"""Who may do what: API keys, people who sign in, and the table of permissions."""
