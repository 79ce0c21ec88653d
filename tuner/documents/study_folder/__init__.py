"""The content of the files in a study's own folder: `study.json` and `insights.json`."""
