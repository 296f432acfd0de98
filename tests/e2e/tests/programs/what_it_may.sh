# Tells what may be done here, a line each. As root of the host everything may.
may() {
  local what=$1
  shift
  if "$@" </dev/null >/dev/null 2>&1; then echo "may $what"; fi
}
connect() { python3 -c 'import socket, sys; socket.create_connection(sys.argv[1:], 5)' "$@"; }
call() { python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' "$@"; }

may "read the records" cat /var/lib/berth/state/berth.db
may "read the key of the App" cat /etc/berth/secrets/app.pem
may "read another service's credential" cat /run/credentials/of-another.service/secret
may "connect to the internet" connect 203.0.113.10 80
may "connect to this host" connect 127.0.0.1 8428
may "ask berthd" call /run/berth/berthd.sock
may "ask the system's bus" call /run/dbus/system_bus_socket
may "ask PostgreSQL" call /run/postgresql/.s.PGSQL.5432
may "ask Nix" call /nix/var/nix/daemon-socket/socket
may "see other processes" test -e /proc/1/status
may "signal other processes" kill -0 1
may "make a namespace" unshare --net true
may "mount" mount --bind /mnt /mnt
folder=${STATE_DIRECTORY:-/srv}
may "make a set-id program" install -m 4755 /bin/true "$folder/set-id"
rm -f "$folder/set-id"
secret=${CREDENTIALS_DIRECTORY:+$CREDENTIALS_DIRECTORY/webhook-secret}
may "read its secret" cat "${secret:-/etc/berth/secrets/webhook}"

find / \( -path /proc -o -path /sys -o -path /nix/store \) -prune -o -type d -writable -printf 'writes %p\n' 2>/dev/null
find / -path /proc -prune -o -type s -writable -printf 'speaks to %h\n' 2>/dev/null | sort -u
