#!/bin/sh
# Runs a command with the secrets of the deployment in its environment: `with-keys.sh COMMAND ARGUMENT…`. Each file KEYS/*/NAME becomes the variable NAME
# (KEYS is /keys by default). So they are in no manifest and in no argument, and `docker inspect` does not show them. It uses only the shell, because
# Keycloak's image has few other programs.
set -eu

for file in "${KEYS:-/keys}"/*/*; do
    [ -r "$file" ] || { echo "accredit: $file cannot be read; the service \"keys\" makes it" >&2; exit 1; }
    IFS= read -r value <"$file" || :
    [ -n "$value" ] || { echo "accredit: $file is empty" >&2; exit 1; }
    export "${file##*/}=$value"
done
exec "$@"
