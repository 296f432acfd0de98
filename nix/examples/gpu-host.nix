# The same host with an NVIDIA card, for agents that ask for it.
{
  imports = [
    ./host.nix
    ../../modules/nvidia.nix
  ];

  services.berth.nvidia.enable = true;
}
