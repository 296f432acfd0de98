# The systems of the template, as an operator has them who has filled it in.
{ flake }:
let
  inherit (flake.inputs) nixpkgs;
  inherit (nixpkgs) lib;

  template = (import ../templates/host/flake.nix).outputs {
    self = template // {
      outPath = toString ../templates/host;
    };
    inherit nixpkgs;
    berth = flake;
  };

  host = template.nixosConfigurations.host.extendModules {
    modules = [
      ../templates/host/previews.nix
      {
        berth.host = lib.mapAttrsRecursive (_: lib.mkForce) {
          name = "harbour";
          domain = "berth.test";
          disks = [ "/dev/disk/by-id/nvme-first" ];
          network = {
            mac = "a8:a1:59:00:00:01";
            ipv4 = {
              address = "172.16.0.10";
              prefixLength = 26;
              gateway = "172.16.0.1";
            };
            ipv6 = null;
          };
          sshKeys = [
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDBbkWSHdcqJtVx1AQPZ2kZwD6JB3rGxKw6f9MS0l4lw ada"
          ];
        };
        services.berth.settings = {
          preview.domain = lib.mkForce "preview.berth.test";
          github = {
            app_id = lib.mkForce "Iv23liAbCdEfGhIjKlMn";
            repositories = lib.mkForce [ "acme/*" ];
          };
        };
      }
    ];
  };
in
{
  template-host = host;
  template-agent = template.nixosConfigurations.agent;
  template-preview = template.lib.previewSystem { };
}
