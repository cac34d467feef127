#!/bin/sh
# Runs a command of reeldrop as the user that owns the share: PUID, PGID and UMASK say who that is.
set -eu
cd /data
[ -e config.yaml ] || cp /opt/reeldrop/container/config.yaml config.yaml
for folder in workflows models; do
    # What comes with Reeldrop is laid where it can be added to; what lies there already is left as it is.
    [ -e "$folder" ] || cp -R "/opt/reeldrop/$folder" "$folder"
done
umask "${UMASK:-022}"
verb="$1"
shift
set -- reeldrop "$verb" --config /data/config.yaml "$@"
if [ "$(id -u)" != 0 ]; then
    exec "$@"
fi
for path in . config.yaml workflows models inbox outbox var; do
    # Only the folders themselves: a share of a million files isn't gone through at each start.
    [ ! -e "$path" ] || chown "${PUID:-1000}:${PGID:-1000}" "$path" 2>/dev/null || true
done
# tini isn't needed: the daemon waits for its children, and SIGTERM stops it in order.
exec setpriv --reuid="${PUID:-1000}" --regid="${PGID:-1000}" --clear-groups "$@"
