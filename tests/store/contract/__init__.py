"""What every back-end of app.store has to do; these tests use its protocols only."""
