# Brings one reference into the mirror and prints the commit.
mirror=$1 url=$2 base=$3 ref=$4 commit=$5 preview=$6 largest=$7 token=$8

# The token, for the one that asks for it; git itself reads nothing.
exec 3<&0 </dev/null
# Also against a fetch whose caller was killed and that is still dying.
exec 9>>"$mirror.lock"
flock --wait 60 9 || exit 81

if [ ! -d "$mirror" ]; then
  rm -rf -- "$mirror.new"
  git init --quiet --bare --template= "$mirror.new" &&
    sync "$mirror.new/HEAD" "$mirror.new/config" &&
    mv -T -- "$mirror.new" "$mirror" || exit 1
fi
# What a killed fetch left: the lock says that nobody works here.
tidy() {
  find "$mirror" -type f \( -name '*.lock' -o -name 'tmp_*' -o -name 'pack-*.keep' \) -delete
}
tidy

# A redirect of a plain forge may lead to TLS, never the other way round.
case $base in
https://*) allowed='-c protocol.https.allow=always' ;;
http://*) allowed='-c protocol.http.allow=always -c protocol.https.allow=always' ;;
file://*) allowed='-c protocol.file.allow=always' ;;
*) exit 1 ;;
esac
helper=
if [ -n "$token" ]; then
  helper='!give() { test "$1" = get && IFS= read -r token <&3 &&
    printf "username=x-access-token\npassword=%s\n" "$token"; }; give'
fi

# Git takes a reference that is not there for the end of a longer one, and a
# branch called `refs/pull/7/head` is no pull request.
set -- "^refs/$ref" "^refs/tags/$ref" "^refs/heads/$ref" "^refs/remotes/$ref" "^refs/remotes/$ref/HEAD"
git --git-dir="$mirror" update-ref -d refs/berth/fetching || exit 1

# Lenient where old tools wrote commits that git of today would write otherwise.
if ! git --git-dir="$mirror" $allowed -c "credential.$base.helper=$helper" \
  -c http.followRedirects=initial -c http.lowSpeedLimit=1 -c http.lowSpeedTime=60 \
  -c fetch.fsckObjects=true -c fetch.fsck.zeroPaddedFilemode=ignore -c fetch.fsck.badTimezone=ignore \
  -c fetch.fsck.missingSpaceBeforeDate=ignore \
  -c fetch.unpackLimit=1 -c fetch.writeCommitGraph=false -c transfer.bundleURI=false \
  fetch --quiet --no-tags --no-prune --no-prune-tags --no-recurse-submodules --no-auto-maintenance \
  --no-write-fetch-head --refmap= \
  -- "$url" "+$ref:refs/berth/fetching" "$@"; then
  # What writes the pack is killed at the limit of its file and says nothing.
  too_large=$(find "$mirror/objects/pack" -name 'tmp_*' -size "+$((largest - 1))c")
  tidy
  if [ -n "$too_large" ]; then exit 85; else exit 1; fi
fi

fetched=$(git --git-dir="$mirror" rev-parse --quiet --verify refs/berth/fetching) || exit 86
# What was fetched last tells the forge what is here, whoever keeps it.
git --git-dir="$mirror" update-ref refs/berth/fetched "$fetched" || exit 1
head=$(git --git-dir="$mirror" rev-parse --quiet --verify "$fetched^{commit}") || exit 82
if [ -z "$commit" ]; then
  commit=$head
else
  found=$(git --git-dir="$mirror" rev-parse --quiet --verify "$commit^{commit}") || exit 83
  [ "$found" = "$commit" ] || exit 83
  git --git-dir="$mirror" merge-base --is-ancestor "$commit" "$head" || exit 83
fi
if [ -n "$preview" ]; then
  git --git-dir="$mirror" update-ref "refs/berth/$preview/$commit" "$commit" || exit 1
fi
# Each fetch adds a pack, and many make git slow. Rolling them up drops no
# object; containers that read an old pack look again. Not done is no harm.
if [ "$(find "$mirror/objects/pack" -name '*.pack' | wc -l)" -gt 40 ]; then
  git --git-dir="$mirror" repack -d --quiet --geometric=2 >&2 || tidy
fi
printf '%s\n' "$commit"
