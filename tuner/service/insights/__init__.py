"""What a study's own folder says besides its curves: `study.json` and `insights.json`."""
