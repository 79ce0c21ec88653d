"""`make demo`: what a study is worth to the next one, on real trainings beside a cold start."""
