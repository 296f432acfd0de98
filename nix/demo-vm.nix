# The example host as a virtual machine to play with: no card, no domain, no
# secret, and everything that it needs is in its store. From outside, previews
# are at https://SLUG.preview.localhost:8443, as browsers take every name below
# `localhost` for the machine that they run on.
{ flake }:
{ lib, pkgs, ... }:
let
  domain = "preview.localhost";
  port = 8443;

  # A forge of files, with one repository that has no preview-config.nix.
  forge =
    pkgs.runCommand "demo-forge"
      {
        nativeBuildInputs = [ pkgs.git ];
        env = {
          GIT_AUTHOR_NAME = "Ada";
          GIT_AUTHOR_EMAIL = "ada@example.com";
          GIT_AUTHOR_DATE = "2026-01-01T00:00:00Z";
          GIT_COMMITTER_NAME = "Ada";
          GIT_COMMITTER_EMAIL = "ada@example.com";
          GIT_COMMITTER_DATE = "2026-01-01T00:00:00Z";
        };
      }
      ''
        git init --quiet --initial-branch=main site
        echo '<!doctype html><title>Berth</title><h1>Moored</h1>' >site/index.html
        git -C site add index.html
        git -C site commit --quiet --message='site: say hello'
        git clone --quiet --bare site "$out/acme/site.git"
      '';
in
{
  networking.hostName = lib.mkForce "berth-demo";

  virtualisation = {
    memorySize = 4096;
    cores = 4;
    # Roots of containers.
    diskSize = 16384;
    graphics = false;
    # What Nix builds inside goes to the disk, not to memory.
    writableStoreUseTmpfs = false;
    forwardPorts = [
      {
        from = "host";
        host = {
          inherit port;
          address = "127.0.0.1";
        };
        guest.port = 443;
      }
    ];
  };

  # Whoever has the terminal is a member of the group `berth`.
  users.users.demo = {
    isNormalUser = true;
    password = "";
  };
  services.getty = {
    autologinUser = "demo";
    helpLine = lib.mkForce ''
      This host is a demo of Berth. Try:

        agent build && agent create hello && agent ssh hello
        preview create acme/site main
        agent list; preview list; agent doctor

      A preview that `preview list` shows at https://SLUG.${domain} is at
      https://SLUG.${domain}:${toString port} outside; its certificate is the host's own.
      `sudo poweroff` is `Ctrl-a x` here.
    '';
  };

  services.berth = {
    operators = [ "demo" ];
    caddy = {
      package = lib.mkForce pkgs.caddy;
      environmentFile = lib.mkForce null;
    };
    settings = {
      # This flake itself, with the systems of guests.
      closures = "path:${flake}";
      agent.credential = lib.mkForce [ ];
      preview = lib.mkForce {
        inherit domain;
        forge = "file://${forge}";
        default_configuration = true;
      };
      github = lib.mkForce null;
    };
  };
  # The forge's repository belongs to root, and `berth-git` reads it.
  programs.git = {
    enable = true;
    config.safe.directory = "${forge}/acme/site.git";
  };

  # What is evaluated and what comes out are there already, so nothing is
  # fetched and nothing is compiled inside.
  system.extraDependencies = [
    (pkgs.linkFarm "berth-demo-guests" {
      berth = "${flake}";
      nixpkgs = "${flake.inputs.nixpkgs}";
      disko = "${flake.inputs.disko}";
      agent = flake.nixosConfigurations.agent.config.system.build.toplevel;
      preview = flake.nixosConfigurations.preview.config.system.build.toplevel;
    })
  ];
}
