# Lists the .nix files of a commit: at most $3 bytes of them, from at most $4
# bytes of all files. The record at the end tells how git ended; without it the
# listing is cut.
mirror=$1 commit=$2 bytes=$3 all=$4

git --git-dir="$mirror" cat-file -e "$commit^{commit}" || exit 84
{
  git --git-dir="$mirror" ls-tree -r -z --full-tree "$commit"
  printf 'ended %s .nix' "$?"
} | head -c "$all" | grep --text --null-data '\.nix$' | head -c "$bytes"
