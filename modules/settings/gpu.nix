# The section `[gpu]` of berth.toml.
{ lib, ... }:
let
  types = import ./types.nix { inherit lib; };

  # Names that GPUs have, as the guard accepts them: with these binds a disk or
  # memory of the host never comes into a container.
  deviceNode = matching ''device node of a GPU, such as "/dev/nvidia0" or "/dev/dri/renderD128"'' "/dev/(nvidia[a-z0-9-]+|nvidia-caps/nvidia-cap[0-9]+|dri/(card|renderD)[0-9]+|kfd)";
  folder = matching ''absolute path of plain characters, such as "/run/opengl-driver"'' "(/[A-Za-z0-9_.+-]+)+";

  matching =
    description: pattern:
    lib.types.strMatching pattern
    // {
      inherit description;
      descriptionClass = "noun";
    };
in
{
  options.services.berth.settings.gpu = lib.mkOption {
    default = null;
    example = {
      devices = [
        "/dev/nvidia0"
        "/dev/nvidiactl"
        "/dev/nvidia-uvm"
        "/dev/nvidia-uvm-tools"
      ];
      repositories = [ "acme/ml" ];
    };
    description = ''
      What `agent create --gpu` and the previews of some repositories get of the host's GPU. Nobody
      gets one when null. `services.berth.nvidia.enable` sets it for NVIDIA cards.
    '';
    type = lib.types.nullOr (
      lib.types.submodule {
        options = {
          devices = lib.mkOption {
            type = lib.types.nonEmptyListOf deviceNode;
            example = [
              "/dev/dri/renderD128"
              "/dev/kfd"
            ];
            description = "Device nodes that a container gets, at the same paths inside.";
          };

          driver = lib.mkOption {
            type = folder;
            default = "/run/opengl-driver";
            description = ''
              Folder with the driver's libraries, which a container sees read-only as
              `/run/opengl-driver`.
            '';
          };

          repositories = lib.mkOption {
            type = lib.types.listOf types.repository;
            default = [ ];
            example = [ "acme/ml" ];
            description = ''
              Repositories whose previews get the GPU too, those of branches and of trusted pull
              requests.
            '';
          };
        };
      }
    );
  };
}
