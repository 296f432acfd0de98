# An assertion that a file with a secret is read from the host at run time: what
# is in the Nix store everybody can read.
name: value:
let
  text = toString value;
  store = builtins.storeDir;
  isInStore = builtins.substring 0 (builtins.stringLength store + 1) "${text}/" == "${store}/";
in
{
  assertion = !(builtins.isPath value) && !isInStore;
  message =
    if builtins.isPath value then
      "${name} is ${text} without quotes, so Nix would copy the file: write it as text in quotes, such as \"/run/secrets/name\"."
    else
      "${name} is ${text}: it would be readable by everybody in the Nix store. Keep the secret outside, and give the path where it is at run time, such as \"/run/secrets/name\" of sops-nix or agenix.";
}
