"""Pages for signing in, by password or by an OIDC provider, and for signing out (/sign-in)."""
