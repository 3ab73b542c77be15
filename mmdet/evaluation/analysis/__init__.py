"""Where the score is lost: oracles, tracking numbers and plots."""
