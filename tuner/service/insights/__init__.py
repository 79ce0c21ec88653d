"""What a study's own folder says of it beside its curves: `study.json` and `insights.json`."""
