# The host: imports every module of `services.berth`.
{
  imports = [
    ./build-egress.nix
    ./caddy.nix
    ./containers.nix
    ./daemon.nix
    ./firewall.nix
    ./network.nix
    ./nix-daemon.nix
    ./operators.nix
    ./package.nix
    ./postgres.nix
    ./settings.nix
    ./state.nix
    ./webhook.nix
  ];
}
