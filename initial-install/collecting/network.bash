# shellcheck shell=bash
# The interface with the default route, its addresses and routers.

# Prints the word behind a word.
word_after() {
  local wanted=$1 word is_next=''
  shift
  for word in "$@"; do
    if [ -n "$is_next" ]; then
      printf '%s' "$word"
      return
    fi
    [ "$word" != "$wanted" ] || is_next=yes
  done
}

collect_network() {
  read_route 4
  read_route 6
  INTERFACE=${DEVICE4:-$DEVICE6}
  [ -n "$INTERFACE" ] || fail "\`$TARGET\` has no default route: name its network in host.nix by hand"
  find_mac
  IPV4='' IPV6=''
  [ "$DEVICE4" != "$INTERFACE" ] || find_address 4 inet 32
  [ "$DEVICE6" != "$INTERFACE" ] || find_address 6 inet6 128
  [ -n "$IPV4$IPV6" ] || fail "\`$INTERFACE\`, which has the default route, has no address of its own"
  [[ $IPV4 != 10.100.* ]] || note "$IPV4 lies in the default subnet of containers: set \`services.berth.settings.subnet\`"
}

# Sets DEVICE4 and GATEWAY4, or 6, from the first default route with a gateway.
read_route() {
  local line words device gateway
  printf -v "DEVICE$1" ''
  printf -v "GATEWAY$1" ''
  while IFS= read -r line; do
    read -ra words <<<"$line"
    device=$(word_after dev "${words[@]}")
    gateway=$(word_after via "${words[@]}")
    [ -n "$gateway" ] || continue
    is_interface "$device" || refuse "route$1 $line"
    "is_ipv$1" "$gateway" || refuse "route$1 $line"
    printf -v "DEVICE$1" %s "$device"
    printf -v "GATEWAY$1" %s "$gateway"
    return
  done < <(answers "route$1")
}

find_mac() {
  local line words
  MAC=''
  while IFS= read -r line; do
    read -ra words <<<"$line"
    # `2: eth0: <…>`, and `eth0@if5:` in a container.
    [[ ${words[1]-} == "$INTERFACE:" || ${words[1]-} == "$INTERFACE@"* ]] || continue
    MAC=$(word_after link/ether "${words[@]}")
    is_mac "$MAC" || refuse "link $line"
    return
  done < <(answers link)
  fail "\`$TARGET\` does not tell the hardware address of \`$INTERFACE\`"
}

# Sets IPV4 and PREFIX4, or 6, from the first lasting address of the interface.
find_address() {
  local version=$1 family=$2 bits=$3 line words address prefix found=''
  while IFS= read -r line; do
    read -ra words <<<"$line"
    [[ ${words[1]-} == "$INTERFACE" && ${words[2]-} == "$family" ]] || continue
    [[ " $line " != *" temporary "* && " $line " != *" deprecated "* ]] || continue
    address=${words[3]%%/*}
    # A point-to-point address has its prefix at the peer.
    prefix=$bits
    [[ ${words[3]} != */* ]] || prefix=${words[3]#*/}
    "is_ipv$version" "$address" || refuse "address $line"
    { is_number "$prefix" && [ "$prefix" -ge 1 ] && [ "$prefix" -le "$bits" ]; } || refuse "address $line"
    if [ -n "$found" ]; then
      note "\`$INTERFACE\` has $address too: it is left out, add it to \`systemd.network.networks.\"10-uplink\"\`"
      continue
    fi
    found=yes
    printf -v "IPV$version" %s "$address"
    printf -v "PREFIX$version" %s "$prefix"
  done < <(answers address)
}
