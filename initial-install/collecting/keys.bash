# shellcheck shell=bash
# The operator's public keys, from files on this machine.

collect_keys() {
  SSH_KEYS=()
  local file
  [ ${#KEY_FILES[@]} -gt 0 ] || default_key_file
  for file in "${KEY_FILES[@]}"; do
    [ -r "$file" ] || fail "the public key \`$file\` cannot be read"
    read_keys <"$file" || fail "\`$file\` has a line that is no public key: is it the private one?"
  done
  [ ${#SSH_KEYS[@]} -gt 0 ] || fail "\`${KEY_FILES[0]}\` has no public key"
}

read_keys() {
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] || add_key "$line" || return
  done
}

default_key_file() {
  local file
  for file in id_ed25519 id_ecdsa id_rsa; do
    if [ -r "${HOME:-/}/.ssh/$file.pub" ]; then
      KEY_FILES=("${HOME:-/}/.ssh/$file.pub")
      return
    fi
  done
  fail "there is no public key in ~/.ssh: name one with --key, or make one with \`ssh-keygen -t ed25519\`"
}

# Keeps the comment behind a key only if it is plain.
add_key() {
  local kind blob comment
  read -r kind blob comment <<<"$1"
  [[ $kind =~ ^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)$ &&
    $blob =~ ^[A-Za-z0-9+/]{40,}=*$ ]] || return
  [[ $comment =~ ^[A-Za-z0-9@._+-]+$ ]] || comment=''
  SSH_KEYS+=("$kind $blob${comment:+ $comment}")
}
