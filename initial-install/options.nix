# `berth.host`: the values of one server.
{ lib, ... }:
let
  # A label and a domain as RFC 1123 has them.
  label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

  matching =
    description: pattern:
    lib.mkOptionType {
      inherit description;
      name = "berthHostValue";
      descriptionClass = "noun";
      check = value: builtins.isString value && builtins.match pattern value != null;
      merge = lib.mergeEqualOption;
    };

  octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
  ipv4 = matching "IPv4 address" "${octet}(\\.${octet}){3}";
  ipv6 = matching "IPv6 address in hexadecimal" "[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}";

  addressOptions =
    {
      type,
      bits,
      address,
      gateway,
    }:
    lib.types.submodule {
      options = {
        address = lib.mkOption {
          inherit type;
          example = address;
          description = "The server's address. `ip address` in the rescue system shows it.";
        };
        prefixLength = lib.mkOption {
          type = lib.types.ints.between 1 bits;
          example = bits;
          description = "The length of the network's prefix, in bits: what follows the `/` in `ip address`.";
        };
        gateway = lib.mkOption {
          inherit type;
          example = gateway;
          description = ''
            The router that packets to the internet are sent to: what follows `via` in
            `ip route show default`. It may lie outside the network of the address.
          '';
        };
      };
    };
in
{
  options.berth.host = {
    name = lib.mkOption {
      type = matching "host name of 1 to 63 of a-z, 0-9 and -" label;
      example = "harbour";
      description = "The host name, without a domain.";
    };
    domain = lib.mkOption {
      type = matching "domain name in lower case" "${label}(\\.${label})+";
      example = "example.com";
      description = "The domain that the host name belongs to: people reach the host at `NAME.DOMAIN`.";
    };
    platform = lib.mkOption {
      type = lib.types.enum [
        "x86_64-linux"
        "aarch64-linux"
      ];
      default = "x86_64-linux";
      description = "The processor that the system is built for: `uname -m` in the rescue system.";
    };
    stateVersion = lib.mkOption {
      type = matching "NixOS release such as 26.05" "[0-9]{2}\\.(05|11)";
      example = "26.05";
      description = ''
        The NixOS release that the host was first installed with. It decides about formats of
        data on disk, and stays as it is when the host is upgraded.
      '';
    };

    bootMode = lib.mkOption {
      type = lib.types.enum [
        "bios"
        "uefi"
      ];
      description = ''
        How the firmware starts the system. `uefi` if the rescue system has
        `/sys/firmware/efi`, else `bios`.
      '';
    };
    disks = lib.mkOption {
      type = lib.types.listOf (
        matching "path below /dev/disk/by-id or /dev/disk/by-path" "/dev/disk/by-(id|path)/[A-Za-z0-9][A-Za-z0-9._:+=@#-]*"
      );
      example = [
        "/dev/disk/by-id/nvme-SAMSUNG_MZVL2512HCJQ-00B00_S675NX0T100001"
        "/dev/disk/by-id/nvme-SAMSUNG_MZVL2512HCJQ-00B00_S675NX0T100002"
      ];
      description = ''
        The disks that are **erased** and then hold the system: one, or two as RAID 1.
        `ls -l /dev/disk/by-id` lists their names, which unlike `/dev/sda` stay the same.
      '';
    };
    fileSystem = lib.mkOption {
      type = lib.types.enum [
        "ext4"
        "xfs"
        "btrfs"
      ];
      default = "ext4";
      description = ''
        The file system of `/`, which holds the store, the containers and the databases.
        Berth maps the ids of containers on each of these. See docs/install.md for a choice.
      '';
    };

    network = {
      mac = lib.mkOption {
        type = matching "MAC address in lower case" "[0-9a-f]{2}(:[0-9a-f]{2}){5}";
        example = "a8:a1:59:00:00:01";
        description = ''
          The hardware address of the interface with the default route. The interface is known
          by it, since names such as `eth0` differ between rescue system and NixOS.
        '';
      };
      ipv4 = lib.mkOption {
        type = lib.types.nullOr (addressOptions {
          type = ipv4;
          bits = 32;
          address = "198.51.100.10";
          gateway = "198.51.100.1";
        });
        default = null;
        description = "The IPv4 address, or `null` for none.";
      };
      ipv6 = lib.mkOption {
        type = lib.types.nullOr (addressOptions {
          type = ipv6;
          bits = 128;
          address = "2001:db8::10";
          gateway = "fe80::1";
        });
        default = null;
        description = "The IPv6 address, or `null` for none.";
      };
      nameservers = lib.mkOption {
        type = lib.types.listOf (lib.types.either ipv4 ipv6);
        default = [
          "9.9.9.9"
          "149.112.112.112"
          "2620:fe::fe"
        ];
        description = "Whom the host asks for names. The default is Quad9; your provider's are nearer.";
      };
    };

    sshKeys = lib.mkOption {
      type = lib.types.listOf lib.types.singleLineStr;
      example = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB… ada@laptop" ];
      description = ''
        Public keys that may log in as root: those of `nixos-rebuild --target-host`. Who only
        uses Berth is named in `services.berth.operators` instead.
      '';
    };
  };
}
