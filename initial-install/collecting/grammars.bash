# shellcheck shell=bash
# What values look like. Nothing that matches can end a Nix string.

is_number() { [[ $1 =~ ^(0|[1-9][0-9]{0,17})$ ]]; }
is_interface() { [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$ ]]; }
is_mac() { [[ $1 =~ ^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$ && $1 != 00:00:00:00:00:00 ]]; }
is_disk_name() { [[ $1 =~ ^[a-z][a-z0-9]{1,31}$ ]]; }
is_disk_path() { [[ $1 =~ ^/dev/disk/by-(id|path)/[A-Za-z0-9][A-Za-z0-9._:+=@#-]{0,199}$ ]]; }

is_ipv4() {
  local octet='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  [[ $1 =~ ^$octet(\.$octet){3}$ && ! $1 =~ ^(0|127|169\.254|22[4-9]|2[3-5][0-9])\. ]]
}

is_ipv6() {
  local groups=${1//[^:]/}
  [[ $1 =~ ^[0-9a-f:]{2,39}$ && ! $1 =~ [0-9a-f]{5} && ! $1 =~ ::.*:: && ! $1 =~ ::: &&
    ! $1 =~ ^:[^:] && ! $1 =~ [^:]:$ ]] || return 1
  if [[ $1 == *::* ]]; then [ ${#groups} -le 7 ]; else [ ${#groups} -eq 7 ]; fi
}
