# Makes one commit the only one of a preview's own repository.
source=$1 mirror=$2 ref=$3 commit=$4 preview=$5

git --git-dir="$mirror" cat-file -e "$commit^{commit}" || exit 84
git --git-dir="$mirror" update-ref "refs/berth/$preview/$commit" "$commit" || exit 1

# Points the repository $1 to the commit. Its branch moves in one step.
point() {
  printf '%s\n' "$mirror/objects" >"$1/objects/info/alternates.new" &&
    mv -T -- "$1/objects/info/alternates.new" "$1/objects/info/alternates" &&
    drop_refs "$1" refs "$ref" &&
    git --git-dir="$1" update-ref "$ref" "$commit" &&
    git --git-dir="$1" symbolic-ref HEAD "$ref"
}

if [ -d "$source" ]; then
  # What a killed run left: the caller holds the preview's lock.
  find "$source" -type f -name '*.lock' -delete
  point "$source" || exit 1
else
  rm -rf -- "$source.new"
  git init --quiet --bare --template= "$source.new" &&
    point "$source.new" &&
    sync "$source.new/HEAD" "$source.new/config" "$source.new/objects/info/alternates" &&
    mv -T -- "$source.new" "$source" || exit 1
fi
# Those that stay here keep objects that nobody prunes; the next run drops them.
drop_refs "$mirror" "refs/berth/$preview" "refs/berth/$preview/$commit" || :
