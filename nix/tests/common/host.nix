# A host of the VM tests; nix/checks.nix gives each machine Berth's modules. Nothing is built in the VM and it has no network:
# the closures flake is this flake, as it lies in the store, and what is built
# from it there is in the store already. So an evaluation in the VM must come to
# the very derivations that were evaluated here.
{ berth }:
{ lib, pkgs, ... }:
{
  services.berth = {
    enable = true;
    settings.closures = "path:${berth}";
    operators = [ "ada" ];
  };
  users.users.ada.isNormalUser = true;

  environment.systemPackages = [
    pkgs.curl
    pkgs.jq
    pkgs.sqlite
  ];

  nix.settings = {
    substituters = lib.mkForce [ ];
    # The registry would be fetched.
    flake-registry = "";
  };

  virtualisation = {
    cores = 2;
    # An evaluation of NixOS takes more than a gigabyte.
    memorySize = 4096;
    diskSize = 8192;
    # What is instantiated must outlive a reboot, as on a real host.
    writableStoreUseTmpfs = false;
    additionalPaths = [
      berth.outPath
      berth.inputs.disko.outPath
      berth.inputs.nixpkgs.outPath
      berth.nixosConfigurations.agent.config.system.build.toplevel
    ];
  };
}
