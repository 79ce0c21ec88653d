-- The user of KEDA, who reads what its query needs and nothing else: no spec's text beyond its study's row, no
-- token, no code. Run once by the owner of Tuner's tables, after the first `tuner db upgrade`:
--
--   psql "$DATABASE_URL" -v password="$(cat keda-password)" -f grants.sql
CREATE ROLE tuner_keda LOGIN PASSWORD :'password' CONNECTION LIMIT 10;
ALTER ROLE tuner_keda SET default_transaction_read_only = on;
ALTER ROLE tuner_keda SET statement_timeout = '5s';
GRANT SELECT (id, state, device, gpus, image, parallel, active_s, running_since, spec_json)
    ON tuner_studies TO tuner_keda;
GRANT SELECT (study_id, state, counted) ON tuner_trials TO tuner_keda;
GRANT SELECT (study_id, state, not_before) ON tuner_attempts TO tuner_keda;
