# Berth: who may use it, and what an agent may use. All options:
# docs/reference/options.md of Berth.
{ config, lib, ... }:
let
  # Who logs in, and may call `agent` and `preview`: a name and a public key.
  members = {
    # ada = "ssh-ed25519 AAAA… ada@laptop";
  };
in
{
  users.users = lib.mapAttrs (_: key: {
    isNormalUser = true;
    openssh.authorizedKeys.keys = [ key ];
  }) members;

  services.berth = {
    enable = true;
    operators = lib.attrNames members;

    settings = {
      public_host = config.networking.fqdn;

      agent = {
        memory = "4G";
        cpus = "2";
        ttl = "14d";
        # Members enter every agent with their own keys too.
        authorized_keys = lib.attrValues members;
      };
    };
  };
}
