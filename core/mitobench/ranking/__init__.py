"""From results to leaderboards: evidence, estimates, intervals, ranks, tests, badges, comparisons."""
