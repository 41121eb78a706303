"""What all pages share: context, forms, CSRF tokens, redirects, cursors and live updates."""
