"""Fields, validation and strict JSON; stored documents are checked by them too."""
