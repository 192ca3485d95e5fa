#!/usr/bin/env bash
# Run once by the image, when its volume is new: a database and an owner for each service, no more rights.
set -euo pipefail
for service in intake aging alerting; do
  # psql fetches the password itself: arguments are seen by everybody who lists processes.
  psql -X -q -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
\set password \`printenv ${service^^}_DATABASE_PASSWORD\`
CREATE ROLE $service LOGIN PASSWORD :'password';
CREATE DATABASE $service OWNER $service;
REVOKE ALL ON DATABASE $service FROM PUBLIC;
SQL
done
