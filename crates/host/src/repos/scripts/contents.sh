# Prints the objects that are named on stdin, at most $2 bytes of them. The end
# tells how git ended; without it the contents are cut.
mirror=$1 bytes=$2

{
  git --git-dir="$mirror" cat-file --batch
  printf 'ended %s' "$?"
} | head -c "$bytes"
