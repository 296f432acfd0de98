#!/bin/bash
# Runs inside the host's file system while the image is built: users, keys,
# units, and the store with the guests.
set -euo pipefail

assets=/tmp/assets
guest_base=/tmp/guest-base
share=/usr/share/berth-testhost

users() {
  groupadd --system berth
  useradd --system --user-group --create-home --home-dir /var/lib/berth-build berth-build
  useradd --system --user-group --create-home --home-dir /var/lib/berth-git berth-git
  useradd --uid 1001 --user-group --create-home --shell /bin/bash --groups berth alice
}

# Root may enter the host as itself and as alice, to test `ssh host agent …`.
ssh_keys() {
  ssh-keygen -q -A
  local user home
  for user in root alice; do
    home=$(getent passwd "$user" | cut -d: -f6)
    install -d -m 0700 -o "$user" -g "$user" "$home/.ssh"
    ssh-keygen -q -t ed25519 -N "" -C "$user@testhost" -f "$home/.ssh/id_ed25519"
    echo "localhost $(</etc/ssh/ssh_host_ed25519_key.pub)" >"$home/.ssh/known_hosts"
  done
  cat /root/.ssh/id_ed25519.pub >/root/.ssh/authorized_keys
  cat /root/.ssh/id_ed25519.pub /home/alice/.ssh/id_ed25519.pub >/home/alice/.ssh/authorized_keys
  chown -R alice:alice /home/alice/.ssh
}

# Only what a test needs starts at boot; the rest of Debian's choice is dropped.
units() {
  find /etc/systemd/system -mindepth 2 -maxdepth 2 -type l -path '*.wants/*' -delete
  systemctl mask -q \
    console-getty.service getty.target getty-static.service systemd-logind.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path \
    systemd-udevd.service systemd-udev-trigger.service systemd-networkd-wait-online.service \
    systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service \
    systemd-journal-catalog-update.service systemd-modules-load.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-random-seed.service \
    systemd-repart.service systemd-sysctl.service systemd-sysusers.service \
    systemd-tmpfiles-clean.timer systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    dev-hugepages.mount dev-mqueue.mount var-lib-machines.mount proc-sys-fs-binfmt_misc.automount \
    sys-fs-fuse-connections.mount sys-kernel-config.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount e2scrub_reap.service systemd-machine-id-commit.service
  systemctl enable -q ssh.service nix-daemon.socket \
    berth-testhost-network.service berth-services-address.service berth-testhost-resolver.service \
    berth-testhost-{forge,internet,lan,metadata,service}.socket
  systemctl set-default -q multi-user.target
  visudo --quiet --check
  # A fresh id at every boot.
  : >/etc/machine-id
}

folders() {
  install -d -m 0755 /etc/nixos-containers
  install -d -m 0700 /var/lib/nixos-containers
  install -d -m 0755 /var/lib/berth /etc/berth /var/log/journal /srv/forge
}

# The cluster that the package made gets Berth's settings and its admin role,
# without a server: a boot waits for none.
postgres() {
  local folder=/etc/postgresql/15/main
  chown -R postgres:postgres "$folder"
  chmod -R u=rwX,g=rX,o= "$folder"
  # What the statements say goes to stdout, and so do their failures.
  echo 'CREATE ROLE berth LOGIN CREATEDB CREATEROLE' |
    su postgres -c "/usr/lib/postgresql/15/bin/postgres --single -j -c config_file=$folder/postgresql.conf \
      -c exit_on_error=on postgres" >/dev/null
}

# Adds a file tree to the store, keeps it there, prints its path.
store() {
  local path
  path=$(nix-store --add "$1")
  ln -s "$path" "/nix/var/nix/gcroots/berth-testhost/$2"
  echo "$path"
}

# The guests' Debian, cut down to what a running system reads.
guest_tree() {
  local tree=$1 name
  mkdir -p "$tree/etc/ssh"
  cp -a "$guest_base/usr" "$tree/usr"
  for name in bash-completion common-licenses debianutils info keyrings lintian perl perl5 zoneinfo; do
    rm -rf "${tree:?}/usr/share/$name"
  done
  rm -rf "$tree/usr/lib/apt" "$tree/usr/lib/locale"
  # Debian's is a wrapper in Perl around it.
  ln -sf ../lib/postgresql/15/bin/psql "$tree/usr/bin/psql"
  for name in alternatives bash.bashrc debian_version environment gai.conf group host.conf iproute2 \
    ld.so.cache ld.so.conf ld.so.conf.d login.defs mke2fs.conf mtab nsswitch.conf os-release pam.d \
    passwd profile profile.d security shadow shells skel terminfo xattr.conf ssh/moduli; do
    [[ ! -e "$guest_base/etc/$name" ]] || cp -a "$guest_base/etc/$name" "$tree/etc/$name"
  done
  printf '127.0.0.1 localhost\n' >"$tree/etc/hosts"
  printf 'agent:x:1000:1000::/home/agent:/bin/bash\n' >>"$tree/etc/passwd"
  printf 'agent:x:1000:\n' >>"$tree/etc/group"
  # `*` is no password; `!` would lock the account for keys, too.
  printf 'agent:*:20000:0:99999:7:::\n' >>"$tree/etc/shadow"
  sed -i 's/^\([^:]*\):!*\*\?:/\1:*:/' "$tree/etc/shadow"
}

# A static shell and its tools: for builders, and for the guest before its /usr.
tools_tree() {
  local tree=$1 applet
  mkdir -p "$tree/bin"
  cp /bin/bash-static "$tree/bin/bash"
  cp /bin/busybox "$tree/bin/busybox"
  for applet in $(busybox --list); do
    [[ "$applet" = busybox || -e "$tree/bin/$applet" ]] || ln -s busybox "$tree/bin/$applet"
  done
}

guests() {
  local work=/tmp/store guest tools container_init
  mkdir -p "$work" /nix/var/nix/gcroots/berth-testhost "$share"
  guest_tree "$work/berth-test-guest"
  tools_tree "$work/berth-test-tools"
  guest=$(store "$work/berth-test-guest" guest)
  tools=$(store "$work/berth-test-tools" tools)

  sed "s|@TOOLS@|$tools|g" "$assets/guest/container-init" >"$work/container-init"
  chmod +x "$work/container-init"
  container_init=$(store "$work/container-init" container-init)
  echo "$container_init" >/etc/berth-testhost/container-init
  sed -i "s|@TOOLS@|$tools|g" /etc/systemd/system/container@.service

  cp -r "$assets/guest/lib" "$share/guest"
  printf '{"guest": "%s", "tools": "%s"}\n' "$guest" "$tools" >"$share/guest/store-paths.json"
  chmod -R u=rwX,go=rX "$share"
}

closures() {
  cp -r "$assets/closures/agent" /etc/berth/closures
  cp -r "$assets/closures/broken" /etc/berth/closures-broken
  chmod -R u=rwX,go=rX /etc/berth
  local features=(--extra-experimental-features 'nix-command flakes')
  nix "${features[@]}" flake lock path:/etc/berth/closures
  local name root
  # All are built, so that no test waits for it, but only one is kept: whether
  # the others survive a garbage collection is Berth's to see to.
  for name in plain agent broken-boot hanging-boot degraded; do
    root=(--no-link)
    [[ $name != plain ]] || root=(--out-link /nix/var/nix/gcroots/berth-testhost/plain)
    nix "${features[@]}" build "${root[@]}" --option sandbox false --option build-users-group '' \
      "path:/etc/berth/closures#nixosConfigurations.$name.config.system.build.toplevel"
  done
}

users
ssh_keys
units
folders
postgres
guests
closures
