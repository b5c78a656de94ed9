#!/bin/sh
# Runs Valkey, which is a Redis, with one user, whose password is in REDIS_PASSWORD: `redis.sh`. `redis.sh --healthy` asks it as that user. HOST is the address
# to listen on. The configuration, with the password, comes by the standard input, so that it is in no file and in no argument.
set -eu

if [ "${1:-}" = --healthy ]; then
    REDISCLI_AUTH=$REDIS_PASSWORD valkey-cli --user accredit time | grep -qE '^[0-9]+$'
    exit
fi

# It keeps nothing on a disk: after a restart, gateways announce again what they know. When it is full it refuses, and loses nothing.
exec valkey-server - <<END
bind $HOST
save ""
maxmemory 128mb
maxmemory-policy volatile-lru
user default off
user accredit on >$REDIS_PASSWORD resetkeys ~accredit ~accredit:* resetchannels -@all +time +xadd +xrange +set +get
END
