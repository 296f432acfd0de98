# sshd with the keys that the host puts into the guest, and no others.
{ lib, options, ... }:
{
  services.openssh = {
    enable = true;
    # Part of the boot: the login that proves that the guest is up waits for it.
    startWhenNeeded = false;
    # The host knows the key before the first start, so none is made here.
    hostKeys = [ ];
    authorizedKeysFiles = lib.mkForce [ "/etc/berth/ssh/authorized_keys" ];
    extraConfig = "HostKey /etc/berth/ssh/ssh_host_ed25519_key";
    settings = {
      AllowUsers = [ "agent" ];
      PermitRootLogin = "no";
      PasswordAuthentication = false;
      KbdInteractiveAuthentication = false;
      UseDns = false;
    };
  }
  # Before NixOS 25.11 sshd makes those of `hostKeys` itself.
  // lib.optionalAttrs (options.services.openssh ? generateHostKeys) { generateHostKeys = false; };
}
