# shellcheck shell=bash
# Disks with lasting names, and which of them are to be erased.

# Less cannot hold the store, a few containers and a build.
readonly DISK_BYTES_MIN=20000000000

# Fills DISKS (kernel names) and, by name, DISK_SIZE, DISK_PATH, DISK_MOUNTED.
collect_disks() {
  local name type size removable fixed rest
  DISKS=()
  declare -gA DISK_SIZE=() DISK_PATH=() DISK_MOUNTED=()
  while read -r name type size removable fixed rest; do
    [[ $type == disk && $removable == 0 && $fixed == 0 ]] || continue
    { is_disk_name "$name" && [ -z "$rest" ]; } || refuse "disk $name $rest"
    is_number "$size" || refuse "disk $name $type $size"
    [ "$size" -ge $DISK_BYTES_MIN ] || continue
    find_disk_path "$name"
    [ -n "${DISK_PATH[$name]}" ] || continue
    DISKS+=("$name")
    DISK_SIZE[$name]=$size
  done < <(answers disk)
  while read -r name; do
    is_disk_name "$name" || refuse "mounted $name"
    [ -z "${DISK_PATH[$name]-}" ] || DISK_MOUNTED[$name]=yes
  done < <(answers mounted)
  [ ${#DISKS[@]} -gt 0 ] || fail "\`$TARGET\` has no disk of $((DISK_BYTES_MIN / 1000000000)) GB or more with a lasting name"
}

# Of several names the one that people can read comes first, then the shortest:
# newer systems add a number to names that older ones know without.
find_disk_path() {
  local target link best='' key best_key=''
  DISK_PATH[$1]=''
  while read -r target link; do
    [ "$target" = "/dev/$1" ] || continue
    is_disk_path "$link" || refuse "name $target $link"
    printf -v key '%s %03d %s' "$(rank "$link")" ${#link} "$link"
    if [ -z "$best" ] || [[ $key < $best_key ]]; then
      best=$link best_key=$key
    fi
  done < <(answers name)
  DISK_PATH[$1]=$best
}

rank() {
  case "${1#/dev/disk/}" in
    by-id/nvme-eui.* | by-id/nvme-nvme.* | by-id/nvme-uuid.* | by-id/scsi-3* | by-id/wwn-*) echo 3 ;;
    by-id/nvme-* | by-id/ata-* | by-id/virtio-*) echo 1 ;;
    by-id/scsi-*) echo 2 ;;
    by-id/*) echo 4 ;;
    *) echo 5 ;;
  esac
}

# Sets CHOSEN. In doubt the operator decides.
choose_disks() {
  local wanted
  CHOSEN=()
  for wanted in ${WANTED_DISKS[@]+"${WANTED_DISKS[@]}"}; do
    CHOSEN+=("$(known_disk "$wanted")")
  done
  if [ ${#CHOSEN[@]} -eq 0 ]; then
    if [ ${#DISKS[@]} -eq 1 ] || { [ ${#DISKS[@]} -eq 2 ] && are_alike "${DISKS[@]}"; }; then
      CHOSEN=("${DISKS[@]}")
    else
      list_disks "${DISKS[@]}"
      fail 'which disks are to be erased? Name one with --disk, or two for RAID 1'
    fi
  fi
  [ ${#CHOSEN[@]} -eq 1 ] || [ "${CHOSEN[0]}" != "${CHOSEN[1]}" ] || wrong_usage 'RAID 1 needs two disks'
  for wanted in "${CHOSEN[@]}"; do
    [ -z "${DISK_MOUNTED[$wanted]-}" ] ||
      note "\`$wanted\` has mounted file systems: is this the rescue system, and may it be erased?"
  done
}

known_disk() {
  local name
  for name in "${DISKS[@]}"; do
    if [[ $1 == "$name" || $1 == "/dev/$name" || $1 == "${DISK_PATH[$name]}" ]]; then
      printf '%s' "$name"
      return
    fi
  done
  list_disks "${DISKS[@]}"
  fail "there is no disk \`$1\`"
}

# Disks of one size differ by a few sectors.
are_alike() {
  local larger=${DISK_SIZE[$1]} smaller=${DISK_SIZE[$2]}
  [ "$larger" -ge "$smaller" ] || { larger=${DISK_SIZE[$2]} smaller=${DISK_SIZE[$1]}; }
  [ $((larger - smaller)) -le $((larger / 100)) ]
}

# As disks are sold: powers of 1000.
gigabytes() {
  local bytes=${DISK_SIZE[$1]}
  printf '%d GB' $((bytes / 1000000000))
}

list_disks() {
  local name
  for name in "$@"; do
    note "  $name  $(gigabytes "$name")  ${DISK_PATH[$name]}${DISK_MOUNTED[$name]:+  (mounted)}"
  done
}
