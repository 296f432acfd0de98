# shellcheck shell=bash
# Asking the server, and reading the lines of its answer.

readonly ANSWER_BYTES_MAX=65536

# The rescue system's host key is kept under a name of its own, so that the
# installed system's is not taken for an attack.
ssh_options() {
  SSH_OPTIONS=(-T -o ConnectTimeout=15 -o ServerAliveInterval=15 -o "HostKeyAlias=rescue-of-${TARGET#*@}")
  [ -z "$PORT" ] || SSH_OPTIONS+=(-p "$PORT")
  [ -z "$IDENTITY" ] || SSH_OPTIONS+=(-i "$IDENTITY")
}

# Fills LINES with the answer, all of it printable ASCII. What is said on stderr
# reaches the terminal as text only.
ask() {
  local answer line status=0 is_answer=''
  ssh_options
  answer=$(ssh "${SSH_OPTIONS[@]}" -- "$TARGET" sh -s <"$HERE/collecting/remote.sh" 2> >(tr -cd '\n -~' >&2) |
    head -c $((ANSWER_BYTES_MAX + 1)) | tr '\000' '\001') || status=$?
  [ ${#answer} -le $ANSWER_BYTES_MAX ] || fail "the answer of \`$TARGET\` is longer than $ANSWER_BYTES_MAX bytes"
  [ $status -eq 0 ] || fail "\`$TARGET\` could not be asked: try \`ssh $TARGET\`"
  LINES=()
  while IFS= read -r line; do
    # A shell's start-up files may print before.
    [ "$line" != 'collect 1' ] || is_answer=yes
    [ -n "$is_answer" ] || continue
    [[ $line =~ ^[\ -~]*$ ]] || refuse "$line"
    LINES+=("$line")
  done <<<"$answer"
  [ ${#LINES[@]} -gt 0 ] || fail "\`$TARGET\` did not answer as a Linux system does"
  [ "${LINES[-1]}" = end ] || fail "the answer of \`$TARGET\` ends in the middle"
}

# Shows what is refused in a form that no terminal obeys.
refuse() {
  local shown
  printf -v shown %q "${1:0:200}"
  fail "\`$TARGET\` answers what cannot be: $shown"
}

# Prints the rest of all lines that begin with a tag.
answers() {
  local line
  for line in "${LINES[@]}"; do
    [[ $line != "$1 "* ]] || printf '%s\n' "${line#"$1 "}"
  done
}
