"""Pages for clerks: orders (/desk), shipping (/shipping) and sent mail (/mail)."""
