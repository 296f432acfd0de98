# Builder of a guest's toplevel; runs with the shell and tools of the store only.
# shellcheck shell=bash disable=SC2154 # variables are the derivation's attributes
set -euo pipefail
export PATH=$tools/bin

mkdir -p "$out/bin" "$out/etc"
cp -r "$lib/etc/." "$out/etc/"
chmod -R u+w "$out/etc"

units=$out/etc/systemd/system
while read -r unit; do
  [[ -z "$unit" || "$unit" = \#* ]] || ln -s /dev/null "$units/$unit"
done <"$lib/masked-units"
mkdir -p "$units/multi-user.target.wants"

if [[ "$kind" = preview ]]; then
  # Nobody logs in; what a preview is made of comes from its configuration.
  rm -r "$units/sshd.service" "$out/etc/ssh"
  # Berth's own repository, which is bound into the guest, belongs to root there.
  printf '[safe]\n\tdirectory = *\n' >"$out/etc/gitconfig"
  while read -r key mode form path; do
    content=${key}Path
    mkdir -p "$(dirname "$out/$path")"
    if [[ "$form" = source ]]; then
      cp -rL "$(<"${!content}")" "$out/$path"
    else
      cp "${!content}" "$out/$path"
    fi
    chmod "$mode" "$out/$path"
  done <"$filesPath"
  while read -r target unit; do
    mkdir -p "$units/$target.wants"
    ln -s "/etc/systemd/system/$unit" "$units/$target.wants/"
  done <"$wantsPath"
else
  ln -s /etc/systemd/system/sshd.service "$units/multi-user.target.wants/"
fi

if [[ "$kind" = degraded ]]; then
  cp "$lib/failing.service" "$units/"
  ln -s /etc/systemd/system/failing.service "$units/multi-user.target.wants/"
fi

# Kinds that never boot have an init of their own.
init=$lib/init
if [[ -e "$lib/init.$kind" ]]; then
  init=$lib/init.$kind
fi
sed -e "s|@out@|$out|g" -e "s|@guest@|$guest|g" -e "s|@tools@|$tools|g" -e "s|@kind@|$kind|g" "$init" >"$out/init"
chmod +x "$out/init"

printf '#!%s/bin/bash\nexit 0\n' "$tools" >"$out/bin/switch-to-configuration"
chmod +x "$out/bin/switch-to-configuration"
printf x86_64-linux >"$out/system"
printf '25.11.test' >"$out/nixos-version"
printf '%s' "$marker" >"$out/marker"
ln -s "$guest/usr" "$out/sw"
