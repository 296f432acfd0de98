#!/bin/sh
# Runs on the server, by stdin: reads only, and prints lines that begin with a
# tag. POSIX sh, since rescue systems differ.
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
tell() { while IFS= read -r line; do printf '%s %s\n' "$1" "$line"; done; }
echo 'collect 1'
uname -m | tell machine
if [ -d /sys/firmware/efi ]; then echo 'boot uefi'; else echo 'boot bios'; fi
ip -o -4 route show default | tell route4
ip -o -6 route show default | tell route6
ip -o address show scope global | tell address
ip -o link show | tell link
getconf _NPROCESSORS_ONLN | tell cpus
sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo | tell memory
for device in /sys/bus/pci/devices/*; do
  [ -r "$device/class" ] || continue
  case "$(cat "$device/vendor") $(cat "$device/class")" in
    '0x10de 0x03'*) echo 'gpu nvidia' ;;
  esac
done
for link in /dev/disk/by-id/* /dev/disk/by-path/*; do
  [ -L "$link" ] || continue
  printf 'name %s %s\n' "$(readlink -f "$link")" "$link"
done
lsblk -bdnr -o NAME,TYPE,SIZE,RM,RO | while read -r name type size removable readonly; do
  echo "disk $name $type $size $removable $readonly"
  if lsblk -nr -o MOUNTPOINT "/dev/$name" | grep -q .; then echo "mounted $name"; fi
done
echo end
