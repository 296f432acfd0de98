# Who may become whom inside: nobody.
{
  lib,
  options,
  ...
}:
let
  # Programs that NixOS gives the rights of root. `agent run --root` and
  # `preview run --root` are the ways to act as root in a guest.
  setUserId = [
    "fusermount"
    "fusermount3"
    "mount"
    "newgidmap"
    "newgrp"
    "newuidmap"
    "sg"
    "su"
    "umount"
  ];
  canBeLeftOut = (options.security.wrappers.type.getSubOptions [ ]) ? enable;
in
{
  users = {
    mutableUsers = lib.mkDefault false;
    # Nobody has a password: sshd takes keys alone, and Berth needs no login.
    allowNoPasswordLogin = true;
  };

  security = {
    sudo.enable = lib.mkDefault false;
    polkit.enable = lib.mkDefault false;
    # NixOS before 24.11 cannot leave one out.
    wrappers = lib.mkIf canBeLeftOut (
      lib.genAttrs setUserId (_name: {
        enable = lib.mkDefault false;
      })
    );
  };
}
