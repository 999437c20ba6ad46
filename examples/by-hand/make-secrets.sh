#!/bin/sh
# Writes the Secret of the service with random keys to standard output. Run it once, keep what it wrote.
set -eu
if [ $# -ne 1 ]; then
  echo "usage: $0 'postgres://user:password@host:5432/service_layer?sslmode=require' | kubectl apply -f -" >&2
  exit 2
fi
# A quote in the address ends no YAML string: it is doubled.
address=$(printf '%s' "$1" | sed "s/'/''/g")
cat <<END
apiVersion: v1
kind: Secret
metadata:
  name: service-layer-secrets
  namespace: service-layer
type: Opaque
stringData:
  DATABASE_URL: '$address'
  API_TOKENS: '$(openssl rand -hex 32)'
  AUTH_JWT_SECRET: '$(openssl rand -hex 32)'
  SECRET_ENCRYPTION_KEY: '$(openssl rand -hex 32)'
  RANDOM_SIGNING_KEY: '$(openssl genpkey -algorithm ed25519 | grep -v -e -----)'
END
