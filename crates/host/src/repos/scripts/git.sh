# What every git of Berth runs with, whatever the repository says.
#
# The operator's system configuration counts (a proxy, a certificate authority),
# no user's does, and what follows overrides both. Packs only: git syncs them,
# and not loose objects, before it names them.
set -u
umask 022
export GIT_TERMINAL_PROMPT=0 GIT_CONFIG_GLOBAL=/dev/null GIT_NO_REPLACE_OBJECTS=1
git() {
  command git \
    -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.askPass= -c credential.helper= \
    -c core.logAllRefUpdates=false -c core.sharedRepository=false -c init.defaultBranch=main \
    -c gc.auto=0 -c maintenance.auto=false \
    -c core.packedGitWindowSize=32m -c core.packedGitLimit=256m -c core.bigFileThreshold=16m \
    -c pack.threads=2 \
    -c protocol.allow=never \
    "$@"
}
# Deletes the references below $2 in the repository $1, but for $3.
drop_refs() {
  git --git-dir="$1" for-each-ref --format='delete %(refname)' "$2" |
    grep --text --fixed-strings --line-regexp --invert-match "delete $3" |
    git --git-dir="$1" update-ref --stdin
}
