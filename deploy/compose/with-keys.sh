#!/bin/sh
# Runs a command with the secrets of the deployment in its environment: `with-keys.sh COMMAND ARGUMENT…`. Each file KEYS/*/NAME becomes the variable NAME
# (KEYS is /keys unless it is set). So they stand in no manifest, in no argument, and not in what `docker inspect` shows. The shell alone, no other program:
# Keycloak's image has few.
set -eu

for file in "${KEYS:-/keys}"/*/*; do
    [ -r "$file" ] || { echo "accredit: $file cannot be read; the service \"keys\" makes it" >&2; exit 1; }
    IFS= read -r value <"$file" || :
    [ -n "$value" ] || { echo "accredit: $file is empty" >&2; exit 1; }
    export "${file##*/}=$value"
done
exec "$@"
