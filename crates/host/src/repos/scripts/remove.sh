# Removes a preview's own repository and what it keeps in the mirrors.
source=$1 mirrors=$2 preview=$3

for mirror in "$mirrors"/*.git; do
  # One mirror that is damaged must not keep the preview here.
  [ ! -d "$mirror" ] || drop_refs "$mirror" "refs/berth/$preview" none || :
done
rm -rf -- "$source" "$source.new"
