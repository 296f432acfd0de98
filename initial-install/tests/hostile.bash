# shellcheck shell=bash
# Answers of a server that wants to get into `host.nix`, or onto the terminal.

# All lines with a tag are replaced by one line, given as printf takes it.
refuses() {
  local tag=$1 line=$2 expected=${3:-answers what cannot be}
  {
    # What is expected to be refused is in place of what is right.
    sed "/^$tag /d; /^end\$/d" "$HERE/tests/answers/raid1-uefi.txt"
    # shellcheck disable=SC2059 # escapes in it are meant
    printf "$line\n"
    echo end
  } >"$SCRATCH/hostile"
  ! ANSWER=$SCRATCH/hostile SSH_SAYS='\033]0;owned\007\n' collect host.test || {
    cat "$SCRATCH/work/host.nix"
    return 1
  }
  # Neither a file nor anything that a terminal obeys.
  [ ! -e "$SCRATCH/work/host.nix" ] || return
  [ ! -s "$SCRATCH/work/out" ] || return
  ! grep -q '[^ -~]' "$SCRATCH/work/err" || return
  ! [ -e "$SCRATCH/work/owned" ] || return
  grep -qF -- "$expected" "$SCRATCH/work/err"
}

# shellcheck disable=SC2016 # nothing of it must ever be expanded
test_hostile_answers() {
  local disk='name /dev/nvme0n1 /dev/disk/by-id' eth='address 2: eth0    inet'
  claim refuses machine 'machine x86_64"; evil = "'
  claim refuses machine 'machine x86_64\nmachine aarch64'
  claim refuses machine 'machine riscv64'
  claim refuses boot 'boot uefi${throw 1}'
  claim refuses cpus 'cpus 16\\"'
  claim refuses cpus 'cpus $(touch owned)'
  claim refuses memory 'memory a[$(touch owned)]'
  claim refuses memory 'memory 99999999999999999999'
  claim refuses memory 'memory 0x10'
  claim refuses route4 'route4 default via 1.2.3.4"; dev eth0'
  claim refuses route4 'route4 default via 1.2.3.256 dev eth0'
  claim refuses route4 'route4 default via 127.0.0.1 dev eth0'
  claim refuses route4 'route4 default via 1.2.3.4 dev eth0${x}'
  claim refuses route4 'route4 default via 1.2.3.4 dev ../../eth0'
  claim refuses route6 'route6 default via fe80::1::2 dev eth0'
  claim refuses route6 'route6 default via fe80::1%%eth0 dev eth0'
  claim refuses route6 'route6 default via 1:2:3:4:5:6:7:8:9 dev eth0'
  claim refuses address "$eth 1.2.3.4/26;x scope global"
  claim refuses address "$eth 1.2.3.4/33 scope global"
  claim refuses address "$eth 1.2.3.4/0 scope global"
  claim refuses address "$eth 01.2.3.4/24 scope global"
  claim refuses address "${eth}6 12345::1/64 scope global"
  claim refuses address "$eth \${1.2.3.4}/24 scope global"
  claim refuses address 'address 9: eth1    inet 1.2.3.4/24' 'has no address of its own'
  claim refuses link 'link 2: eth0: <UP>\\    link/ether a8:a1:59:0a:0b:0c"; brd'
  claim refuses link 'link 2: eth0: <UP>\\    link/ether 01:a1:59:0a:0b:0c brd'
  claim refuses link 'link 3: eth1: <UP>\\    link/ether a8:a1:59:0a:0b:0c brd' 'does not tell the hardware address'
  claim refuses name "$disk/nvme-\"; evil = \""
  claim refuses name "$disk/nvme-\${builtins.readFile /etc/shadow}"
  claim refuses name "$disk/nvme-a\\\\\\\\b"
  claim refuses name "$disk/../../nvme1n1"
  claim refuses name 'name /dev/nvme0n1 /dev/nvme0n1'
  claim refuses name "$disk/nvme-a b"
  claim refuses disk 'disk nvme0n1 disk 512110190592x 0 0'
  claim refuses disk 'disk nvme0n1$(touch${IFS}owned) disk 512110190592 0 0'
  claim refuses disk 'disk nvme0n1 disk 512110190592 0 0 more'
  claim refuses disk 'disk sda disk 512110190592 0 0' 'has no disk'
  claim refuses mounted 'mounted $(touch owned)'
  claim refuses mounted 'mounted x]=1'
  claim refuses nothing 'colours \033]0;owned\007'
  claim refuses nothing 'cpus 16\r'
  claim refuses nothing 'a nul \000 byte'
  claim refuses nothing "$(head -c 70000 /dev/zero | tr '\000' x)" 'is longer than 65536 bytes'
}
