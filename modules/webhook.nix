# `preview-webhook`: takes GitHub's deliveries behind Caddy and stores them for
# berthd. The internet reaches it, and it can do nothing else.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.berth;
  github = cfg.settings.github;
  types = import ./settings/types.nix { inherit lib; };
  hardening = import ./hardening.nix;
  outsideStore = import ../nix/lib/secret-file.nix;

  isOn = cfg.enable && cfg.webhook.enable;
  sockets = [
    "preview-webhook.socket"
  ]
  ++ lib.optional cfg.webhook.metrics "preview-webhook-metrics.socket";

  previous = cfg.webhook.previousSecretFile;
  secretFile =
    setting: example: description:
    lib.mkOption {
      type = lib.types.nullOr types.file;
      default = if github == null then null else github.${setting};
      defaultText = lib.literalExpression "config.services.berth.settings.github.${setting}";
      inherit example description;
    };
in
{
  imports = [ ./webhook-site.nix ];

  options.services.berth.webhook = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = github != null;
      defaultText = lib.literalExpression "config.services.berth.settings.github != null";
      example = false;
      description = ''
        Whether GitHub's deliveries are taken. Without them `berthd` sees a pull request only when it
        compares all of them, every `settings.daemon.compare`.
      '';
    };

    listen = lib.mkOption {
      type = lib.types.strMatching "(127([.][0-9]{1,3}){3}|\\[::1]):[0-9]{1,5}";
      default = "127.0.0.1:9000";
      description = "Address and port of this host at which Caddy hands deliveries over.";
    };

    secretFile = secretFile "webhook_secret" "/run/secrets/webhook" ''
      File with the secret that deliveries are signed with. systemd hands it to the service as a
      credential, so only root needs to be able to read it. It must lie outside the Nix store. Restart
      `preview-webhook` and `berthd` after a change of its content.
    '';

    previousSecretFile = secretFile "webhook_secret_previous" "/run/secrets/webhook-old" ''
      File with the secret before that one, while it is being replaced: deliveries signed with either
      are taken.
    '';

    metrics = lib.mkOption {
      type = lib.types.bool;
      default = true;
      example = false;
      description = "Whether it tells metrics at `/run/berth-webhook.metrics.sock`, to root.";
    };
  };

  config = lib.mkIf isOn {
    assertions = [
      {
        assertion = github != null;
        message = "services.berth.webhook.enable: nobody would take what it stores: set services.berth.settings.github";
      }
      {
        assertion = cfg.settings.daemon.spool == "/var/lib/berth-webhook/spool";
        message = "services.berth.settings.daemon.spool: `${toString cfg.settings.daemon.spool}` is not where preview-webhook stores deliveries: leave it at `/var/lib/berth-webhook/spool`, or set services.berth.webhook.enable = false";
      }
    ]
    ++ lib.optional (cfg.webhook.secretFile != null) (
      outsideStore "services.berth.webhook.secretFile" cfg.webhook.secretFile
    )
    ++ lib.optional (previous != null) (
      outsideStore "services.berth.webhook.previousSecretFile" previous
    );

    # Over a switch systemd goes on holding the sockets: they only change with
    # their addresses.
    systemd.sockets = {
      preview-webhook = {
        description = "Where GitHub's webhooks arrive";
        wantedBy = [ "sockets.target" ];
        # Caddy stands before it, with TLS.
        listenStreams = [ cfg.webhook.listen ];
        # Packets on what is passed are judged here, not by the service's own
        # rule.
        socketConfig = {
          IPAddressDeny = "any";
          IPAddressAllow = "localhost";
        };
      };

      preview-webhook-metrics = lib.mkIf cfg.webhook.metrics {
        description = "Where Prometheus asks preview-webhook";
        wantedBy = [ "sockets.target" ];
        listenStreams = [ "/run/berth-webhook.metrics.sock" ];
        socketConfig = {
          SocketMode = "0660";
          FileDescriptorName = "metrics";
          Service = "preview-webhook.service";
        };
      };
    };

    systemd.services.preview-webhook = {
      description = "Takes GitHub's webhooks and stores them for berthd";
      # The first connection would start it too. Started with the host, it makes
      # the spool for berthd, and a missing secret is seen at once.
      wantedBy = [ "multi-user.target" ];
      requires = [ "preview-webhook.socket" ];
      after = sockets;
      # It comes back for ever, as quickly as it can: GitHub sends once.
      startLimitIntervalSec = 0;
      # NixOS would stop the sockets with the service, and refuse connections
      # until both are back. A restart alone lets them wait.
      stopIfChanged = false;

      serviceConfig = hardening // {
        Type = "notify";
        ExecStartPre = "${pkgs.coreutils}/bin/mkdir -p %S/berth-webhook/spool";
        ExecStart = "${cfg.package}/bin/preview-webhook --spool %S/berth-webhook/spool";
        Sockets = lib.concatStringsSep " " sockets;
        Restart = "always";
        RestartSec = "100ms";
        WatchdogSec = "30s";
        LimitNOFILE = 4096;
        MemoryMax = "512M";
        TasksMax = 64;

        # The one secret that it needs, and while that is being replaced, the one
        # before.
        LoadCredential = [
          "webhook-secret:${toString cfg.webhook.secretFile}"
        ]
        ++ lib.optional (previous != null) "webhook-secret-previous:${toString previous}";

        # A user of its own, who owns nothing but the spool.
        DynamicUser = true;
        User = "berth-webhook";
        StateDirectory = "berth-webhook";
        StateDirectoryMode = "0700";
        AmbientCapabilities = "";
        PrivateUsers = true;
        RemoveIPC = true;

        # It opens no connection and sees no network: systemd passes its sockets.
        PrivateNetwork = true;
        IPAddressDeny = "any";

        # Of the host's services it may speak with the journal and systemd only,
        # and of Berth it sees nothing.
        InaccessiblePaths = [
          "-/run/dbus -/run/caddy -/run/postgresql -/run/berth -/nix/var"
          "-/var/lib/berth -/etc/berth"
          "-/run/lock -/dev/shm"
        ];
        # Nothing but the spool can be written: these stay open to everybody
        # otherwise.
        ReadOnlyPaths = "/run /tmp /var/tmp";
      };
    };
  };
}
