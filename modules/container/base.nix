# What the guests of agents and of previews have in common: docs/guest-contract.md.
{
  imports = [
    ./base/machine.nix
    ./base/network.nix
    ./base/rights.nix
    ./base/closure.nix
    ./base/nix.nix
  ];
}
