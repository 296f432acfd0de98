# Plants what a webhook in bad hands could leave in a spool, beside the delivery
# that is there: plant FOLDER FILE-OF-ROOT, both on one file system.
set -eu
spool=$1 of_root=$2
good=$(cd "$spool" && ls -- *.delivery)
owner=$(stat -c %u "$spool")
cd "$spool"
name() { echo "$1-00000000-0000-4000-8000-$2.delivery"; }
early=00000000000000000001 late=09999999999999999999
ln -s /etc/shadow "$(name $early 00000000000a)"
mkfifo "$(name $early 00000000000c)"
mkdir -p "$(name $early 00000000000d)/below"
truncate -s 30M "$(name $early 00000000000e)"
cp -- "$good" "$(name $early 00000000000f)"
id=${good#*-} && id=${id%.delivery}
other=${id%????????}feedbeef
sed "1s/$id/$other/; 1s/sha256=..../sha256=0000/" "$good" >"${good%%-*}-$other.delivery"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$(name $late 00000000001a)"
mkdir "$(name $late 00000000001b)"
: >"$(name $late 00000000001c)"
touch .incoming-1
ln .incoming-1 "$(name $late 00000000001f)"
chown -h "$owner:$owner" -- *.delivery
# Of others.
ln "$of_root" "$(name $early 00000000000b)"
cp -- "$good" "$(name $late 00000000001d)"
# No names of deliveries.
touch -- x.delivery $'new\nline' $'\377' "$(name 1 00000000001e)" "-rf"
ln -s / root
