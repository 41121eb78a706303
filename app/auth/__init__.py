"""Authentication and authorization: API keys, users, OpenID Connect, sessions, permissions."""
