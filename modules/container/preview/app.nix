# A repository with one command to build and one to start.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) types;
  cfg = config.berth.preview.app;
  is = import ./types.nix { inherit lib; };
  home = "/var/lib/preview";

  folderType =
    types.addCheck types.str (
      folder:
      builtins.match "[A-Za-z0-9._][A-Za-z0-9._/-]*" folder != null && !lib.hasInfix "../" "${folder}/"
    )
    // {
      description = "folder of the repository, such as `packages/web`";
    };

  service = {
    path = cfg.packages ++ [
      pkgs.bash
      pkgs.git
      pkgs.gnutar
      pkgs.gzip
    ];
    environment = {
      HOME = home;
    }
    // cfg.environment;
    serviceConfig = {
      User = "preview";
      Group = "preview";
      StateDirectory = "preview";
      StateDirectoryMode = "0700";
      EnvironmentFile = "/etc/preview.env";
      NoNewPrivileges = true;
      PrivateTmp = true;
    };
  };
in
{
  options.berth.preview.app = lib.mkOption {
    default = null;
    example = lib.literalExpression ''
      {
        packages = [ pkgs.nodejs ];
        build = "npm ci && npm run build";
        start = "npm start";
        port = 3000;
      }
    '';
    description = ''
      Makes the setup service `preview-setup`, the app service `preview-app` and a
      route for a repository that is built by one command and started by another.
    '';
    type = types.nullOr (
      types.submodule {
        options = {
          packages = lib.mkOption {
            type = types.listOf types.package;
            default = [ ];
            example = lib.literalExpression "[ pkgs.nodejs ]";
            description = "Programs that the commands call, beside git and the usual small ones.";
          };
          build = lib.mkOption {
            type = types.nullOr types.lines;
            default = null;
            example = "npm ci && npm run build";
            description = ''
              Run once for each commit, in a fresh clone of it. A command that fails on its
              last line fails the deployment, and one on another line does too unless it is
              part of a list such as `a && b`.
            '';
          };
          migrate = lib.mkOption {
            type = types.nullOr types.lines;
            default = null;
            example = "npm run migrate";
            description = "Run after the build and at each start; it must suit the version before, which still serves.";
          };
          start = lib.mkOption {
            type = types.lines;
            example = "npm start";
            description = "The command that serves. It listens on all addresses, not on `localhost` alone.";
          };
          port = lib.mkOption {
            type = is.port;
            default = 3000;
            example = 8000;
            description = "Where it listens; also the variable `PORT`.";
          };
          folder = lib.mkOption {
            type = folderType;
            default = ".";
            example = "packages/web";
            description = "The folder of the repository in which the commands run.";
          };
          environment = lib.mkOption {
            type = types.attrsOf types.str;
            default = { };
            example = {
              LOG_LEVEL = "debug";
            };
            description = "Variables of all commands. No secrets: the store of the host is readable by all containers.";
          };
        };
      }
    );
  };

  config = lib.mkIf (cfg != null) {
    berth.preview = {
      setupService = lib.mkDefault "preview-setup.service";
      appServices = [ "preview-app.service" ];
      routes = lib.mkDefault [
        {
          path = "/";
          inherit (cfg) port;
        }
      ];
    };

    systemd.services = {
      # Each commit is cloned and built in a folder of its own, while what serves
      # stays as it is; then a link is switched. The commit before is kept, so that
      # going back to it builds nothing.
      preview-setup = lib.mkMerge [
        service
        {
          description = "Build the commit to be shown";
          serviceConfig = {
            Type = "oneshot";
            WorkingDirectory = home;
          };
          script = ''
            commit=releases/$PREVIEW_COMMIT
            if [ ! -e "$commit/built" ]; then
              current=$(readlink current || :)
              for old in releases/*; do
                [ "$old/code" = "$current" ] || rm -rf -- "$old"
              done
              mkdir -p "$commit"
              # The git folder lies beside the code: no file server shows it.
              git clone --quiet --depth 1 --branch "$PREVIEW_BRANCH" --separate-git-dir "$commit/git" "$PREVIEW_REPO_URL" "$commit/code"
              git -C "$commit/code" checkout --quiet --detach "$PREVIEW_COMMIT"
              (
                cd "$commit/code/"${lib.escapeShellArg cfg.folder}
                ${lib.optionalString (cfg.build != null) cfg.build}
              )
              touch "$commit/built"
            fi
            (
              cd "$commit/code/"${lib.escapeShellArg cfg.folder}
              ${lib.optionalString (cfg.migrate != null) cfg.migrate}
            )
            ln -sfn "$commit/code" next
            mv -T next current
          '';
        }
      ];

      preview-app = lib.mkMerge [
        service
        {
          description = "Serve the commit that was built";
          environment.PORT = toString cfg.port;
          serviceConfig = {
            WorkingDirectory = "${home}/current/${cfg.folder}";
            Restart = "on-failure";
          };
          script = cfg.start;
        }
      ];
    };
  };
}
