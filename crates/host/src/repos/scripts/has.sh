# Whether the mirror has a commit.
mirror=$1 commit=$2

[ -d "$mirror" ] || exit 84
git --git-dir="$mirror" cat-file -e "$commit^{commit}" || exit 84
