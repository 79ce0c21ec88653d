"""Talks to PostgreSQL through psycopg, with as little work per statement as possible."""

#: Key in `Connection.info`: the database's time when the present transaction began.
BEGAN = "tuner.began"
