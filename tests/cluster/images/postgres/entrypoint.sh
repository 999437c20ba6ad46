#!/bin/sh
# Start PostgreSQL; make the cluster first when there is none. Never root, never half made.
#
# A new cluster is made beside PGDATA and takes its name only when everything is in it, the
# password and the database included: whatever ends this script half way, the next start begins
# anew and takes nothing unfinished for a cluster.
set -eu

say() { printf 'postgres-entrypoint: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 1; }

# NAME or NAME_FILE, never both; the value goes to standard output.
setting() {
  eval "plain=\${$1:-} file=\${$1_FILE:-}"
  [ -z "$plain" ] || [ -z "$file" ] || refuse "$1 and $1_FILE are both set; set one"
  if [ -n "$file" ]; then
    [ -r "$file" ] || refuse "$1_FILE names $file, which cannot be read"
    cat "$file"
  else
    printf '%s' "${plain:-${2:-}}"
  fi
}

make_cluster() {
  [ -n "$password" ] || refuse "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE to a value"
  parent="$(dirname "$PGDATA")"
  mkdir -p "$parent" 2>/dev/null || refuse "cannot make $parent: is the volume writable for uid $(id -u)?"
  [ -w "$parent" ] || refuse "$parent is not writable for uid $(id -u): set fsGroup to $(id -g)"
  fresh="$PGDATA.new"
  rm -rf "$fresh"
  umask 077
  printf '%s' "$password" >"/tmp/.initial-password"
  say "making a new cluster for user $user, database $database"
  # shellcheck disable=SC2086 # the arguments are words on purpose
  eval "set -- ${POSTGRES_INITDB_ARGS:-}"
  initdb --pgdata="$fresh" --username="$user" --pwfile=/tmp/.initial-password \
    --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --no-instructions "$@" >/dev/null
  rm -f /tmp/.initial-password
  # The local socket lies in the container alone; whoever comes by the network needs the password.
  printf 'host all all all scram-sha-256\n' >>"$fresh/pg_hba.conf"
  if [ "$database" != postgres ]; then
    # Single-user mode: no server that listens before all is ready. Quotes are doubled in names.
    name="$(printf '%s' "$database" | sed 's/"/""/g')"
    printf 'CREATE DATABASE "%s";\n' "$name" |
      postgres --single -D "$fresh" -c log_min_messages=warning postgres >/dev/null
    [ -n "$(postgres_database_oid)" ] || refuse "the database $database could not be made"
  fi
  sync -f "$fresh"
  rmdir "$PGDATA" 2>/dev/null || [ ! -e "$PGDATA" ] ||
    refuse "$PGDATA holds files but no cluster, or is a mount point: name an empty folder below it"
  mv -T "$fresh" "$PGDATA"
  sync -f "$parent"
}

# Single-user mode answers errors with status 0, so ask whether the database is there.
postgres_database_oid() {
  quoted="$(printf '%s' "$database" | sed "s/'/''/g")"
  printf "SELECT oid FROM pg_database WHERE datname = '%s';\n" "$quoted" |
    postgres --single -D "$fresh" -c log_min_messages=warning postgres | sed -n 's/.*oid = "\([0-9]*\)".*/\1/p'
}

start() {
  [ "$(id -u)" != 0 ] || refuse "does not run as root; run it as uid 999"
  : "${PGDATA:?names no folder}"
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    user="$(setting POSTGRES_USER postgres)"
    password="$(setting POSTGRES_PASSWORD)"
    database="$(setting POSTGRES_DB "$user")"
    make_cluster
    say "the cluster is made"
  fi
  unset POSTGRES_PASSWORD POSTGRES_PASSWORD_FILE password
  exec postgres -D "$PGDATA" -c listen_addresses='*' -c password_encryption=scram-sha-256 "$@"
}

case "${1:-postgres}" in
  postgres) [ $# -eq 0 ] || shift; start "$@" ;;
  -*) start "$@" ;;
  *) exec "$@" ;;
esac
